"""What a plan file says of the search that found it: the engines could have run, and the gap fits the one allowed."""

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.model import Scenario

from .verdict import PRECISION, Verdict

# What was asked and how the search went: no statement about the plan depends on it, and nothing can recompute it.
ASSERTED = (
    "certificate.top_k",
    "certificate.engine",
    "certificate.nodes",
    "certificate.label_limit",
    "certificate.deterministic_seconds_limit",
    "certificate.gap_limit",
    "certificate.prices",
    "scenario.source",
)
_TRIED = 200_000  # placements that an engine of the planner tries one by one
_REFUTED = ", refuted by a second search"


def verify_search(verdict: Verdict, document: Json, scenario: Scenario) -> None:
    """Check what a plan states of its search: each engine applies, and a search that a gap ended was allowed to end."""
    certificate = document["certificate"]
    scheduled, named = scenario.execution == "scheduled", certificate["engine"]
    modes = any(device.modes for device in scenario.devices)
    inner = [t.consumers for t in scenario.tensors if t.producer is not None and t.consumers != (-1,)]
    applies = {
        "enumeration": not scheduled and (modes or scenario.placements <= _TRIED),
        "labels": all(len(consumers) == 1 for consumers in inner),
        "elimination": not scheduled,
        "cp-sat": True,
        "modes": modes,
    }
    for engine in named.removesuffix(_REFUTED).split(" + "):
        verdict.expect(applies.get(engine, False), f"certificate: the engine {engine!r} does not apply to the scenario")
    if named.endswith(_REFUTED):
        verdict.expect(scheduled and document["status"] == "gap", "certificate: no second search refuted this plan")
    if certificate["ended_by"] == "gap" and certificate["gap"] is not None:
        allowed = certificate["gap_limit"] * abs(certificate["objective"] or 0.0)
        verdict.expect(
            certificate["gap"] <= allowed + PRECISION * max(1.0, allowed),
            f"certificate: ended by a gap of {certificate['gap']:.6g}, where {allowed:.6g} was allowed",
        )
