"""Every command in the README and the docs: verbs, options, targets and files are those of today."""

import re
import shlex

import pytest
from edgeproof.__main__ import build_program_parser
from edgeproof.core.command_line import read_options
from edgeproof.core.errors import UserError
from snakemake.cli import get_argument_parser

from .test_docs import PAGES, ROOT

PROGRAMS = ("edgeproof", "snakemake", "make")
_FENCE = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`]+)`")
_ENDS = re.compile(r"^(?:[|;&>]|\|\||&&|\d?>)")  # what a shell does with a command
_PLACE = re.compile(r"^\[?[A-Z]{2,}[A-Z]*s?\]?$|…|\bmine\b|\bNAME\b")  # a name that you put in yourself


def split_command(line):
    """Return the words of the first of our commands in a line of shell or of a CI file; empty if there is none."""
    line = re.sub(r"^\s*(?:\$ |- )?(?:run: )?", "", line).replace(".venv/bin/", "")
    if line.split(" ")[0] not in PROGRAMS:
        return []
    words = []
    for word in shlex.split(line, comments=True):
        if _ENDS.match(word):
            break
        words.append(word)
    return words


def list_commands(text):
    """Return [(words, whole)] of a page; `whole`: the command stands in a block to be copied, not in a sentence."""
    blocks = [line for block in _FENCE.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    spoken = [" ".join(code.split()) for code in _INLINE.findall(_FENCE.sub("", text))]
    found = [(split_command(line), True) for line in blocks] + [(split_command(code), False) for code in spoken]
    return [(words, whole) for words, whole in found if words]


def find_fault_in_edgeproof(parser, words, whole):
    """Return why a call of `edgeproof` would be refused, or None; in a sentence, arguments may be left out."""
    words = [word for word in words if word != "…"]
    asks = words[-1] == "--help"
    if words[1:2] == ["report"] and words[2:] and words[2] not in parser.verbs["report"].verbs:
        words = ["edgeproof", "evidence", *words[1:]]  # `edgeproof report CAMPAIGN`
    options, verbs = words[1:], parser.verbs
    while options and options[0] in verbs:
        room, options = verbs[options[0]], options[1:]
        verbs = room.verbs
        if not verbs:
            break
    else:
        named = options[0] if options else None
        return f"{named} is no verb" if named and not named.startswith("-") and verbs else None
    if asks or (not whole and not options):
        return None
    if not whole and all(  # their values are left out
        option.startswith("-") and "=" not in option for option in options
    ):
        known = {flag for action in room.arguments for flag in action.option_strings}
        return f"{' '.join(set(options) - known)}: no such option" if set(options) - known else None
    numbers = {"P": "1"}  # of processes; other placeholders are names
    try:
        read_options(parser.verbs[words[1]], [numbers.get(word, word) for word in words[2:]])
    except UserError as error:
        return str(error)
    return None


def find_fault_in_snakemake(parser, rules, words, whole):
    """Return why a call of snakemake would be refused, or None."""
    read = parser.parse_args([word for word in words[1:] if word != "…"])
    files = [*map(str, read.configfile or []), *(f"profiles/{name}" for name in read.profile or [])]
    missing = [name for name in files if not _PLACE.search(name) and not (ROOT / name).exists()]
    missing += [
        name
        for name in read.targets
        if name not in rules and not name.startswith("results/") and not _PLACE.search(name)
    ]
    return f"{', '.join(missing)} is not there" if missing else None


def find_fault_in_make(targets, words):
    """Return the first target of a call of make that the Makefile does not have, or None."""
    named = [word for word in words[1:] if "=" not in word and not word.startswith("-") and word != "…"]
    return next((f"make has no {word}" for word in named if word not in targets), None)


@pytest.fixture(scope="module")
def find_fault():
    """A function from a command to what is wrong with it, or None."""
    ours, theirs = build_program_parser(), get_argument_parser()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w./$()-]+):(?!=)", makefile, re.MULTILINE)) - {".PHONY"}
    rules = {
        name
        for path in (ROOT / "Snakefile", *ROOT.glob("rules/*.smk"))
        for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    def find(words, whole):
        if words[0] == "edgeproof":
            return find_fault_in_edgeproof(ours, words, whole)
        if words[0] == "snakemake":
            return find_fault_in_snakemake(theirs, rules, words, whole)
        return find_fault_in_make(targets, words)

    return find


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_would_be_accepted(page, find_fault):
    commands = list_commands((ROOT / page).read_text(encoding="utf-8"))
    assert {" ".join(words): fault for words, whole in commands if (fault := find_fault(words, whole))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "edgeproof runs agian CELL",
        "edgeproof compare a b --margn 1%",
        "edgeproof evidence report",
        "$ edgeproof nothing",
        "snakemake --profile nowhere",
        "snakemake --profile local --configfile config/gone.yaml",
        "      - run: .venv/bin/snakemake --profile local everything",
        "make coffee  # no such target",
    ],
)
def test_a_command_that_would_be_refused_is_found(line, find_fault):
    ((words, whole),) = list_commands(f"```\n{line}\n```\n")
    assert find_fault(words, whole)


def test_commands_are_read_from_blocks_sentences_and_ci_files():
    page = "```yaml\n      - run: make setup\n```\nSay `edgeproof runs\nlist` or `nothing`.\n"
    page += "```\n$ make test | tail\n```\n"
    assert list_commands(page) == [
        (["make", "setup"], True),
        (["make", "test"], True),
        (["edgeproof", "runs", "list"], False),
    ]
    assert sum(len(list_commands((ROOT / page).read_text(encoding="utf-8"))) for page in PAGES) > 150
