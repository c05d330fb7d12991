"""What a comparison from the shell has spent in this run: on building, on measuring, and on neither.

A job that finds everything kept from before builds and measures nothing, however long it takes. What was made is what
is among the attempts after the run and was not before.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import plural

_PLACES = {"artifacts": "**", "runs": "*/*/*/*", "comparability": "*/*"}  # of attempts, below results/
_SOURCES = ("copy_model", "download_model", "run_recipe", "export_model", "make_samples", "cut_stage")
_BUILDS = ("make_toolchain", "use_artifact", "use_manifest", "check_parity")


def list_attempts(root: Path) -> set[str]:
    """Return the folders of all attempts, from `root`; a comparison's run has spent its time on those that it adds."""
    return {
        path.relative_to(root).as_posix()
        for place, depth in _PLACES.items()
        for path in (root / "results" / place).glob(f"{depth}/attempts/[!.]*")
    }


def sum_spending(seconds: Mapping[str, float], made: Collection[str]) -> dict[str, float]:
    """Return what a comparison's run has spent, in seconds: {all, building, measuring_alone, measuring_pairs}.

    `seconds`: of its jobs, by rule, and `all`. `made`: attempts that the run added.
    """

    def add(rules: Collection[str]) -> float:
        return sum(seconds.get(rule, 0.0) for rule in rules)

    def has_made(place: str) -> bool:
        return any(attempt.startswith(f"results/{place}/") for attempt in made)

    builds = [*_BUILDS, *(rule for rule in seconds if rule.startswith("build_"))]
    spent = {
        "all": seconds["all"],
        "building": add(_SOURCES) + (add(builds) if has_made("artifacts") else 0.0),
        "measuring_alone": add(["measure_run"]) if has_made("runs") else 0.0,
        "measuring_pairs": add(["measure_pairs"]) if has_made("comparability") else 0.0,
    }
    return {name: round(value, 1) for name, value in spent.items()}


def count_kept_pairs(report: Json, made: Collection[str]) -> int:
    """Return how many pairs of a report a run has spent nothing on: measured before it made these attempts."""
    return sum(session["pairs"] for session in report["sessions"] if session["attempt"] not in made)


def describe_spending(spent: Mapping[str, float], kept: int) -> str:
    """Return what a run has spent in a sentence. `kept`: pairs that it did not measure."""
    words = {"building": "building", "measuring_alone": "measuring each alone", "measuring_pairs": "measuring pairs"}
    parts = [f"{spent[name]:.1f} s {word}" for name, word in words.items() if spent[name]]
    told = f"Took {spent['all']:.1f} s: {', '.join(parts) or 'nothing was built or measured'}"
    return f"{told}; {plural(kept, 'pair')} kept from before." if kept else f"{told}."
