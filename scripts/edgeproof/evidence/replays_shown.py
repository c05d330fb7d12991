"""The section on adaptation as plain data: what each policy would have done over each trace, under both guards."""

from edgeproof.adaptation.replay_page import say_verdict
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import SPACE, format_number
from edgeproof.runtime.stability import MODES

from .collecting import ReplayEvidence, link_from


def describe_replays(replays: list[ReplayEvidence], page: FilePath) -> list[Json]:
    """Return what the page shows of replays, one dict each; links are relative to the folder of `page`."""
    return [_describe(item, page) for item in replays]


def _describe(item: ReplayEvidence, page: FilePath) -> Json:
    summary = item.summary
    family, policy, trace = summary["family"], summary["policy"]["name"], summary["trace"]["name"]
    return {
        "name": f"{family['name']} on {family['device']}, {policy} over {trace}",
        "anchor": f"replay-{family['name']}-{family['device']}-{policy}-{trace}",
        "simulated": "simulated" in family["provenance"],
        "sentence": say_verdict(summary),
        "rows": [_describe_mode(mode, summary["modes"][mode]) for mode in MODES],
        "links": [
            {"name": path.rsplit("/", 1)[-1], "href": link_from(page, path)}
            for path in (item.paths["page"], item.paths["summary"], item.paths["decisions"], item.paths["family"])
        ],
    }


def _describe_mode(mode: str, figures: Json) -> Json:
    worth, dwell = figures["worth"], figures["dwell_s"]
    total = sum(dwell.values()) or 1.0
    return {
        "guard": "ours (fixed)" if mode == "fixed" else "EdgeAdapt's (seed)",
        "swaps": str(figures["swaps"]),
        "forced": str(figures["forced"]),
        "infeasible": f"{format_number(worth['infeasible_s'])}{SPACE}s",
        "regret": f"{worth['regret']:.3f}",
        "dwell": ", ".join(f"{name} {100 * seconds / total:.0f}{SPACE}%" for name, seconds in dwell.items()),
    }
