"""Every published line says what it says, and a line that is cut or damaged invents nothing."""

import json
import re

import pytest
from edgeproof.agent.samplers.rails import find_total
from edgeproof.agent.samplers.tegrastats_lines import LineParser
from edgeproof.core.layout import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st

FOLDER = REPOSITORY / "tests/data/tegrastats"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())
LINES = [line for name in EXPECTED for line in (FOLDER / name).read_text().splitlines() if line.strip()]
# Forms that were seen elsewhere: one shared clock in upper case, EMC without a percentage, a load with many clocks.
SEEN_ELSEWHERE = "RAM 1/2MB (lfb 1x4MB) CPU [1%,2%]@408 EMC_FREQ @665 GR3D_FREQ 87%@[1300,1300] VIN 19780mW/19780mW"

KNOWING = LineParser()
for known in LINES:
    KNOWING.parse(known + "\n")


def numbers_of(line):
    """Return every number that a parsed line gives."""
    found = [*(line.ram_mb or ()), *(value for pair in line.rails.values() for value in pair)]
    found += [*line.temperatures.values(), *line.invalid.values()]
    for load, clocks in (line.gr3d, line.emc):
        found += [*([] if load is None else [load]), *(clocks or ())]
    return found


def describe(line):
    """Return a line as `expected.json` has it."""
    total = find_total(line.rails)
    sums = total and [sum(line.rails[rail][place] for rail in total.rails) for place in (0, 1)]
    return {
        "ram_mb": list(line.ram_mb),
        "total": total and {"kind": total.kind, "mw": sums},
        "rails": {name: list(pair) for name, pair in line.rails.items()},
        "temperatures": line.temperatures,
        "invalid": line.invalid,
        "hottest": line.hottest,
        "gr3d": list(line.gr3d),
        "emc": list(line.emc),
    }


@pytest.mark.parametrize("name", EXPECTED)
def test_every_published_line_is_read(name):
    parser = LineParser()
    lines = [line for line in (FOLDER / name).read_text().splitlines() if line.strip()]
    found = [{"line": number, **describe(parser.parse(text + "\n"))} for number, text in enumerate(lines, 1)]
    assert found == EXPECTED[name]


def test_there_are_lines_of_nine_families():
    assert len(EXPECTED) == 32 and sum(map(len, EXPECTED.values())) == len(LINES) == 66


def test_forms_seen_elsewhere_are_read():
    line = LineParser().parse(SEEN_ELSEWHERE + "\n")
    assert (line.emc, line.gr3d) == ((None, [665]), (87, [1300, 1300]))
    assert line.rails == {"VIN": (19780, 19780)} and find_total(line.rails).kind == "measured"


@pytest.mark.parametrize("text", LINES, ids=range(len(LINES)))
def test_a_cut_line_says_less_and_nothing_else(text):
    """Wherever a line is cut, what is left is part of what the whole line says."""
    whole = LineParser().parse(text + "\n")
    parts = {place: LineParser().parse(text[:place]) for place in range(len(text))}
    assert [place for place, part in parts.items() if not is_part(part, whole)] == []


def is_part(part, whole):
    """Tell whether a line says nothing that another one does not."""
    return (
        part.ram_mb in (None, whole.ram_mb)
        and part.rails.items() <= whole.rails.items()
        and part.temperatures.items() <= whole.temperatures.items()
        and part.invalid.items() <= whole.invalid.items()
        and part.gr3d in ((None, None), whole.gr3d)
        and part.emc in ((None, None), whole.emc)
    )


@st.composite
def damaged_lines(draw):
    """Draw a published line with characters removed, put in, or moved."""
    text = draw(st.sampled_from(LINES))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text)))
        kind = draw(st.sampled_from(["drop", "put", "swap"]))
        if kind == "drop":
            text = text[:place] + text[place + draw(st.integers(1, 9)) :]
        elif kind == "put":
            text = text[:place] + draw(st.text(max_size=4)) + text[place:]
        else:
            other = draw(st.integers(0, len(text)))
            first, last = sorted((place, other))
            text = text[:first] + text[last:] + text[first:last]
    return text.replace("\n", " ")


@settings(max_examples=300, deadline=None)
@given(text=damaged_lines(), ended=st.booleans())
def test_a_damaged_line_invents_no_number(text, ended):
    line = LineParser().parse(text + "\n" if ended else text)
    written = {float(number) for number in re.findall(r"[0-9]+(?:\.[0-9]+)?", text)}
    assert {abs(float(number)) for number in numbers_of(line)} <= written
    assert [name for name in line.rails if name not in text] == []


@settings(max_examples=300, deadline=None)
@given(text=damaged_lines())
def test_what_is_remembered_of_a_line_changes_no_other(text):
    """A parser that knows the lines of all boards reads a damaged one as one that has seen nothing."""
    assert KNOWING.parse(text + "\n") == LineParser().parse(text + "\n")
    assert KNOWING.parse(text + "\n") == LineParser().parse(text + "\n")  # now it remembers this one, too


@given(text=st.text())
def test_any_text_can_be_given(text):
    assert LineParser().parse(text) is not None


def test_a_fraction_where_an_integer_was_is_not_taken_for_one():
    parser = LineParser()
    assert parser.parse("RAM 5/9MB VDD_IN 44mW/44mW\n").rails == {"VDD_IN": (44, 44)}
    assert parser.parse("RAM 5/9MB VDD_IN 4.5mW/44mW\n").rails == {}
    assert parser.parse("RAM 5/9MB VDD_IN 45mW/44mW\n").rails == {"VDD_IN": (45, 44)}
