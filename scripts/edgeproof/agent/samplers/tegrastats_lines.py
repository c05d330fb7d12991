"""Lines of NVIDIA's `tegrastats`, from L4T 28 to JetPack 7.2: no field is guaranteed, and none has a fixed place.

What is absent stays absent. Rails are in milliwatts with or without the unit; of two or three numbers the first is the
power now, the second the average since tegrastats started, the third the maximum. Temperatures that no silicon has are
named as invalid. A line that does not end with a newline was cut: its last word does not count.

Consecutive lines of a board differ in their numbers only. So a line is split into words and numbers once; what its
words mean is remembered (`_Plan`), and checked against the numbers that belong to names, such as the 0 of `CV0`.
"""

from __future__ import annotations

import operator
import re
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Pattern, Sequence, Tuple

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)", re.ASCII)
_NAME = r"(?<!\S)([A-Za-z][A-Za-z0-9_]*)"
_RAIL = re.compile(_NAME + r" (\d+)(mW)?/(\d+)(mW)?(?:/(\d+)(mW)?)?(?!\S)", re.ASCII)
_HEAT = re.compile(_NAME + r"@(-?)(\d+(?:\.\d+)?)C(?:/-?\d+(?:\.\d+)?C)?(?!\S)", re.ASCII)
_RAM = re.compile(r"(?<!\S)RAM (\d+)/(\d+)MB(?!\S)", re.ASCII)
_ENGINE = r"(?<!\S)(?:{}) (?:(\d+)%)?(?:@(?:\[(\d+(?:,\d+)*)\]|(\d+)))?(?!\S)"
_GR3D = re.compile(_ENGINE.format("GR3D_FREQ|GR3D"), re.ASCII)
_EMC = re.compile(_ENGINE.format("EMC_FREQ|EMC"), re.ASCII)
_CORES = re.compile(r"(?<!\S)(?:CPU|cpu) \[[^\]\[]*\](?:@\d+)?(?!\S)", re.ASCII)
_NOT_RAILS = ("RAM", "SWAP", "IRAM", "NC")
_COLDEST_C, _HOTTEST_C = -40.0, 125.0
# Valid, but not of the chip.
_ELSEWHERE = ("tboard", "iwlwifi")
_MOST_PLANS = 64


Engine = Tuple[Optional[int], Optional[List[int]]]
NOTHING: Engine = (None, None)


class Line(NamedTuple):
    """What one line says. `rails`: {name: (mW now, mW on average)}. `temperatures`: °C of the
    valid sensors, `invalid` of the others. `hottest`: of the chip's own. `gr3d`, `emc`: load in percent and clocks in
    MHz, each None where absent. `ram_mb`: used and total.
    """

    ram_mb: Optional[Tuple[int, int]]
    rails: Dict[str, Tuple[int, int]]
    temperatures: Dict[str, float]
    invalid: Dict[str, float]
    hottest: Optional[float]
    gr3d: Engine
    emc: Engine

    @property
    def empty(self) -> bool:
        """Whether the line says nothing that we know."""
        return not (self.ram_mb or self.rails or self.temperatures or self.invalid) and self.gr3d == self.emc == NOTHING


class _Plan(NamedTuple):
    """Which number of a line is what. `fixed`: numbers that are part of names, and how they read."""

    fixed: Callable[[Sequence[str]], Any]
    expected: Any
    ram: Optional[Tuple[int, int]]
    rails: List[Tuple[str, int, int]]
    heat: List[Tuple[str, bool, int, bool, bool]]  # name, negative, number, always invalid, of the chip
    gr3d: Tuple[Optional[int], List[int]]
    emc: Tuple[Optional[int], List[int]]


class LineParser:
    """Parses the lines of one tegrastats; it remembers what its lines look like."""

    def __init__(self) -> None:
        self._plans: Dict[Tuple[str, ...], List[_Plan]] = {}

    def parse(self, line: str) -> Line:
        """Return what a line says; what is no such line says nothing."""
        if not line.endswith("\n"):
            line = line[: max(0, line.rfind(" "))]
        text = " ".join(line.split())
        opened = text.find("[")
        closed = text.find("]", opened)
        if opened > 3 and closed > 0 and text[opened - 4 : opened - 1] in ("CPU", "cpu"):  # cores are not looked at
            cores = _CORES.search(text)
            if cores:
                text = text[: cores.start()] + text[cores.end() :]
        parts = _NUMBER.split(text)
        words, numbers = tuple(parts[::2]), parts[1::2]
        for plan in self._plans.get(words, ()):
            if plan.fixed(numbers) == plan.expected:
                try:
                    return _follow(plan, numbers)
                except ValueError:  # a fraction where a plan has an integer: the grammar decides
                    return _follow(_make_plan(text, numbers), numbers)
        plan = _make_plan(text, numbers)
        if len(self._plans) >= _MOST_PLANS:  # these are no lines of one board
            self._plans.clear()
        plans = self._plans.setdefault(words, [])
        if len(plans) < _MOST_PLANS:
            plans.append(plan)
        return _follow(plan, numbers)


def _follow(plan: _Plan, numbers: Sequence[str]) -> Line:
    """Return what a line of this plan says."""
    temperatures: Dict[str, float] = {}
    invalid: Dict[str, float] = {}
    hottest: Optional[float] = None
    for name, negative, place, never, own in plan.heat:
        value = -float(numbers[place]) if negative else float(numbers[place])
        if never or not _COLDEST_C < value < _HOTTEST_C:
            invalid[name] = value
            continue
        temperatures[name] = value
        if own and (hottest is None or value > hottest):
            hottest = value
    return Line(
        plan.ram and (int(numbers[plan.ram[0]]), int(numbers[plan.ram[1]])),
        {name: (int(numbers[now]), int(numbers[mean])) for name, now, mean in plan.rails},
        temperatures,
        invalid,
        hottest,
        _read_engine(plan.gr3d, numbers),
        _read_engine(plan.emc, numbers),
    )


def _read_engine(places: Tuple[Optional[int], List[int]], numbers: Sequence[str]) -> Engine:
    load, clocks = places
    if load is None and not clocks:
        return NOTHING
    return None if load is None else int(numbers[load]), [int(numbers[place]) for place in clocks] or None


def _make_plan(text: str, numbers: Sequence[str]) -> _Plan:
    """Find out what each number of a line is, by its grammar."""
    begins = {match.start(): number for number, match in enumerate(_NUMBER.finditer(text))}

    def place(match: Any, group: int) -> int:
        return begins[match.start(group)]

    rails: List[Tuple[str, int, int]] = []
    for match in _RAIL.finditer(text):
        units = {match[3], match[5], match[7] if match[6] else match[3]}
        if match[1] not in _NOT_RAILS and len(units) == 1 and match[1] not in [rail[0] for rail in rails]:
            rails.append((match[1], place(match, 2), place(match, 4)))
    heat: List[Tuple[str, bool, int, bool, bool]] = []
    for match in _HEAT.finditer(text):
        if match[1] not in [sensor[0] for sensor in heat]:
            never, own = match[1].upper() == "PMIC", match[1].lower() not in _ELSEWHERE
            heat.append((match[1], match[2] == "-", place(match, 3), never, own))
    ram = _RAM.search(text)
    ram_places = (place(ram, 1), place(ram, 2)) if ram else None
    gr3d, emc = (_find_engine(pattern, text, begins) for pattern in (_GR3D, _EMC))
    names = [number for start, number in begins.items() if _is_in_name(text, start)]
    if len(names) == 1:
        names *= 2  # of one name, an itemgetter would return no tuple
    fixed: Callable[[Sequence[str]], Any] = operator.itemgetter(*names) if names else _take_none
    return _Plan(fixed, fixed(numbers), ram_places, rails, heat, gr3d, emc)


def _is_in_name(text: str, start: int) -> bool:
    """Return whether a number is part of a name, as the 5 and the 0 of `VIN_SYS_5V0`; `lfb 3x4MB` is none."""
    before = text[start - 1] if start else " "
    return (before.isalpha() or before == "_") and text.rfind("(", 0, start) <= text.rfind(")", 0, start)


def _take_none(_: Sequence[str]) -> Tuple[str, ...]:
    return ()


def _find_engine(pattern: Pattern[str], text: str, begins: Dict[int, int]) -> Tuple[Optional[int], List[int]]:
    """Return the places of an engine's load and clocks."""
    match = pattern.search(text)
    if match is None:
        return None, []
    load = begins[match.start(1)] if match[1] else None
    clocks: List[int] = []
    if match[2]:
        first = begins[match.start(2)]
        clocks = list(range(first, first + match[2].count(",") + 1))
    elif match[3]:
        clocks = [begins[match.start(3)]]
    return load, clocks
