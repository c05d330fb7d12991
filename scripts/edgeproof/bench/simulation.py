"""The simulation of everything that the method promises, as a document and as the tables of docs/method.md."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from . import simulated_estimates as estimates
from . import simulated_verdicts as verdicts
from .lines import Line
from .pair_scenarios import SCENARIOS
from .simulated_builds import simulate_builds

Part: TypeAlias = Callable[[int, float], list[Line]]

SCHEMA = "edgeproof.bench-simulation.v1"
PARTS: dict[str, Part] = {
    "budgets": verdicts.simulate_budgets,
    "campaigns": verdicts.simulate_campaigns,
    "builds": simulate_builds,
    "devices": estimates.simulate_devices,
    "dependence": estimates.simulate_dependence,
    "interference": estimates.simulate_interference,
    "headlines": estimates.simulate_headlines,
    "percentiles": estimates.simulate_percentiles,
    "drift": estimates.simulate_drift,
}
_SEED = 2026
_BEGIN, _END = "<!-- simulation: written by `make bench-simulation` -->", "<!-- end of simulation -->"
_VERDICTS = (verdicts.FALSE_SLOWER, verdicts.FALSE_EQUIVALENT, verdicts.COVERAGE)


def run_simulation(portion: float = 1.0, report: Callable[[Line], None] = lambda line: None) -> dict[str, Any]:
    """Return the document of the whole simulation: all lines, in order, each given to `report` as well.

    `portion`: the share of trials to draw (10,000 where a promise is met exactly, 2,000 elsewhere).
    """
    lines: list[Line] = []
    for line in _lines(portion):
        report(line)
        lines.append(line)
    return {
        "schema": SCHEMA,
        "margin": verdicts.MARGIN,
        "met": all(line.met for line in lines if line.promised),
        "lines": [_describe(line) for line in lines],
    }


def run_part(name: str, portion: float = 1.0) -> list[Line]:
    """Return the Lines of one part of the simulation, `PARTS` or the name of a scenario."""
    if name in PARTS:
        return PARTS[name](_SEED, portion)
    number = [scenario.name for scenario in SCENARIOS].index(name)
    return verdicts.simulate_scenario(SCENARIOS[number], _SEED + number, portion)


def describe_line(line: Line) -> str:
    """Return what the simulation found for one promise of the method, as a line of text for the terminal."""
    word = ("met" if line.met else "MISSED") if line.promised else "no promise"
    return f"{line.scenario}: {line.quantity} {line.observed:.2%}, {line.sense} {line.bound:.2%}: {word}"


def render_page(page: str, document: dict[str, Any]) -> str:
    """Return the text of a page with the tables of the simulation, from its document, between their two marks."""
    before, rest = page.split(_BEGIN)
    after = rest.split(_END)[1]
    return f"{before}{_BEGIN}\n\n{_render(document['lines'])}\n{_END}{after}"


def _lines(portion: float) -> Iterable[Line]:
    for name in (*(scenario.name for scenario in SCENARIOS), *PARTS):
        yield from run_part(name, portion)


def _describe(line: Line) -> dict[str, Any]:
    return {
        "scenario": line.scenario,
        "quantity": line.quantity,
        "sense": line.sense,
        "bound": round(line.bound, 6),
        "observed": line.observed,
        "limit": round(line.limit, 6),
        "trials": line.trials,
        "promised": line.promised,
        "met": line.met,
    }


def _render(lines: list[dict[str, Any]]) -> str:
    names = [scenario.name for scenario in SCENARIOS]
    found = {(line["scenario"], line["quantity"]): line for line in lines}
    rows = [
        "| Pairs of a comparison | false `slower`, at most 2.5 % | false `equivalent`, at most 5 % "
        "| coverage at the stop, at least 95 % | sequences |",
        "|---|---|---|---|---|",
    ]
    for name in names:
        cells = [found[name, quantity] for quantity in _VERDICTS]
        texts = [_percent(cell["observed"]) + ("" if cell["promised"] else ", not promised") for cell in cells]
        rows.append(f"| {name} | {' | '.join(texts)} | {cells[0]['trials']:,} |")
    rows += ["", "| What | figure | promised | simulated | trials |", "|---|---|---|---|---|"]
    for line in lines:
        if line["scenario"] not in names:
            promised = f"{line['sense']} {_percent(line['bound'])}" if line["promised"] else "nothing"
            figures = f"{promised} | {_percent(line['observed'])} | {line['trials']:,}"
            rows.append(f"| {line['scenario']} | {line['quantity']} | {figures} |")
    return "\n".join(rows) + "\n"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share < 0.1 else f"{100 * share:.1f} %"
