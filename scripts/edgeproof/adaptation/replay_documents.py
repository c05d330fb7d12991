"""A replay as a target: `decisions.jsonl` and `summary.json`, and the check that both follow from what they name."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_path, sha256_file
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY, digest_json
from edgeproof.runtime.stability import MODES
from edgeproof.runtime.variant_choice import Chooser
from edgeproof.runtime.variants import ModelFamily

from .families import read_family
from .heat_model import HeatModel, describe_heat, fit_heat
from .oracle import Ledger, measure_worth
from .selection_files import build_chooser, read_conditions
from .trace_replay import Conditions, render_step, replay_trace
from .traces import Moment, read_trace

_VOID = "the family has changed since: the replay is void, not different; run the workflow again"


class Replay(NamedTuple):
    """What a replay is of. `policy`, `trace`: documents of these kinds; `*_name`: their names. `family_path`: of
    family.json.
    """

    family_path: str
    policy_name: str
    policy: Json
    trace_name: str
    trace: Json


def write_replay(replay: Replay, decisions: FilePath, summary: FilePath) -> None:
    """Replay in both modes and write the replay's documents, `decisions.jsonl` and `summary.json`.

    The summary is `edgeproof.adaptation.v1`.
    """
    with atomic_path(decisions) as place, open(place, "w", encoding="utf-8") as stream:
        document = _play(replay, stream.write)
    write_sealed(summary, document, "adaptation")


def read_replay(summary: FilePath) -> Json:
    """Return the document `summary.json` of a replay, replayed again.

    UserError for what does not follow, and for a replay that is void because its family has changed.
    """
    document = read_sealed(summary, "adaptation", REMEDY)
    if is_void(document):
        raise UserError(f"{summary}: {_VOID}")
    replay = Replay(
        document["family"]["path"],
        document["policy"]["name"],
        document["policy"]["document"],
        document["trace"]["name"],
        document["trace"]["document"],
    )
    again = _play(replay, lambda line: None)
    for key, value in again.items():
        must_follow(document[key], value, key, summary, "the family and the trace")
    decisions = Path(summary).parent / "decisions.jsonl"
    if sha256_file(decisions) != document["decisions_sha256"]:
        raise UserError(f"{decisions}: is not what the trace gives; {REMEDY}")
    return document


def is_void(document: Json) -> bool:
    """Tell whether the document of a replay is void: its family has another key today than when it was replayed."""
    family = read_sealed(document["family"]["path"], "filled-family", REMEDY)
    return family["key"] != document["family"]["key"]


def summarise_mode(
    chooser: Chooser,
    moments: Iterable[Moment],
    conditions: Conditions,
    heat: HeatModel | None,
    emit: Callable[[str], object],
) -> Json:
    """Return what `summary.json`, the document of a replay, says of one mode.

    `emit`: called with each line of `decisions.jsonl`.
    """
    mode, names = chooser.guard.mode, list(chooser.family.variants)
    initial = conditions.initial if conditions.initial is not None else names[0]
    numbers = {name: number for number, name in enumerate(names)}
    times, free, active = array("d"), array("d"), array("b")
    hot, empty = bytearray(), bytearray()
    rules: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    commits: list[float] = []
    forced = fallbacks = 0
    for step in replay_trace(chooser, moments, conditions, heat):
        times.append(step.at_s)
        free.append(step.free_mb)
        active.append(numbers[step.active])
        hot.append(step.hot)
        empty.append(step.empty)
        rules[step.choice.rule] += 1
        if step.codes:
            codes.update(code.split(":")[0] for code in step.codes)
        for at_s, rule in step.commits:
            commits.append(at_s)
            forced += rule == "forced"
        fallbacks += step.choice.fallback and step.choice.target is not None
        emit(render_step(step, mode))
    seconds = np.diff(np.frombuffer(times), append=times[-1])
    ledger = Ledger(
        seconds,
        np.frombuffer(free),
        np.frombuffer(active, np.int8),
        np.frombuffer(bytes(hot), np.bool_),
        np.frombuffer(bytes(empty), np.bool_),
    )
    total = float(seconds.sum())
    worth = measure_worth(chooser, ledger, initial)
    return {
        "swaps": len(commits),
        "first_swaps_at_s": commits[:4],
        "swaps_per_hour": 3600 * len(commits) / total if total else 0.0,
        "forced": forced,
        "fallbacks": fallbacks,
        "dwell_s": {name: float(seconds[ledger.active == number].sum()) for name, number in numbers.items()},
        "shortest_stay_s": float(np.diff(commits).min()) if len(commits) > 1 else None,
        "worth": None if worth is None else worth._asdict(),
        "rules": dict(sorted(rules.items())),
        "codes": dict(sorted(codes.items())),
    }


def play_document(family: ModelFamily, replay: Replay, emit: Callable[[str], object]) -> Json:
    """Replay over a family and return what the replay's document says of it, {steps, seconds, basis, modes}.

    `emit`: called with each line of `decisions.jsonl`.
    """
    where = f"config/selection/{replay.policy_name}.yaml"
    conditions = read_conditions(replay.trace, family, f"config/traces/{replay.trace_name}.yaml")
    footprints = {name: item.metadata.memory_footprint_mb for name, item in family.variants.items()}

    def moments() -> Iterator[Moment]:
        return read_trace(replay.trace["file"], footprints)

    first = next(moments())
    heat, reason = fit_heat(moments()) if first.heat_c is not None else (None, "the trace has no temperatures")
    modes: Json = {}
    for mode in MODES:
        chooser = build_chooser(family, replay.policy, mode, where)
        modes[mode] = summarise_mode(chooser, moments(), conditions, heat, emit)
    return {
        "steps": sum(modes[MODES[0]]["rules"].values()),
        "seconds": sum(modes[MODES[0]]["dwell_s"].values()),
        "basis": {"heat": describe_heat(heat, reason), "loads": _say_loads(conditions)},
        "modes": modes,
    }


def _say_loads(conditions: Conditions) -> str:
    if not conditions.requests_per_s:
        return "left out, since the trace's document has no requests_per_s"
    return (
        f"{conditions.requests_per_s:g} requests a second on a device with {conditions.processors} processors, declared"
    )


def _play(replay: Replay, emit: Callable[[str], object]) -> Json:
    """Return the document of a replay, without its seal."""
    filled, family = read_family(replay.family_path)
    digest = hashlib.sha256()

    def digest_and_emit(line: str) -> None:
        digest.update(line.encode())
        emit(line)

    summary = play_document(family, replay, digest_and_emit)
    return {
        "schema": "edgeproof.adaptation.v1",
        "family": {
            "name": filled["name"],
            "device": filled["device"],
            "path": replay.family_path,
            "key": filled["key"],
            "provenance": _list_provenances(filled),
            "left_out": filled["left_out"],
            "stale": filled["stale"],
        },
        "policy": {"name": replay.policy_name, "sha256": digest_json(replay.policy), "document": replay.policy},
        "trace": {"name": replay.trace_name, "sha256": sha256_file(replay.trace["file"]), "document": replay.trace},
        "variants": {name: item["metadata"] for name, item in filled["variants"].items()},
        **summary,
        "decisions_sha256": digest.hexdigest(),
    }


def _list_provenances(filled: Json) -> list[str]:
    found = {origin for item in filled["variants"].values() for origin in item["origins"].values()}
    return sorted(found)
