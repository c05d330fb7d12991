"""Judges the log of the swap proof: was every request answered once, by whom it says, and is nothing left over?"""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json

from .trial_family import find_variant

MEMORY_LIMIT_MB = 64.0  # that a process may have grown by
_FAILED = ("failed", "skipped", "recovered")
# What each fault must have led to.
_EXPECTED = {
    "none": "committed",
    "load_fails": "failed",
    "too_slow": "failed",
    "wrong_output": "failed",
    "no_memory": "skipped",
    "crash_in_load": "failed",
    "crash": "recovered",
}


def judge_log(path: Path) -> Json:
    """Return the verdicts on a log of the swap proof, the `bench-swaps` document.

    ValueError where it is no whole log.
    """
    lines: list[Any] = [json.loads(line) for line in path.read_text().splitlines()]
    kinds: dict[str, list[Any]] = {}
    for line in lines:
        kinds.setdefault(line["kind"], []).append(line)
    if len(kinds.get("setting", ())) != 1 or len(kinds.get("end", ())) != 1:
        raise ValueError(f"{path}: is not the log of one whole run")
    setting, end = kinds["setting"][0], kinds["end"][0]
    requests = _judge_requests(kinds.get("asked", []), kinds.get("answered", []), kinds.get("lost", []))
    swaps = kinds.get("swap", [])
    outcomes = Counter(swap["outcome"] for swap in swaps)
    unexpected = [swap for swap in swaps if _EXPECTED[swap["fault"]] != swap["outcome"]]
    leftovers = _list_leftovers(end["before"], end["after"])
    faults = _list_wrong_counters(end["counters"], outcomes)
    good = requests["answered_once"] == requests["requests"] and not requests["wrong_variant"]
    return {
        "schema": "edgeproof.bench-swaps.v1",
        "command": f"python scripts/bench_swaps.py --verify {path}",
        "log_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "clients": setting["clients"],
        "seed": setting["seed"],
        "swaps": len(swaps),
        "committed": outcomes["committed"],
        "rolled_back": sum(outcomes[name] for name in _FAILED),
        "outcomes": {fault: dict(Counter(s["outcome"] for s in swaps if s["fault"] == fault)) for fault in _EXPECTED},
        "unexpected": [f"{swap['wish']}: {swap['fault']} → {swap['outcome']}" for swap in unexpected],
        **requests,
        "counters": end["counters"],
        "wrong_counters": faults,
        "drained": end["drained"],
        "left_over": leftovers,
        "memory_growth_mb": round(end["after"]["memory_mb"] - end["before"]["memory_mb"], 1),
        "proved": good and not (unexpected or faults or leftovers or requests["dropped"]) and end["drained"],
    }


def _judge_requests(asked: list[Any], answered: list[Any], lost: list[Any]) -> Json:
    """Return the counts of requests; `wrong_variant`: answers that another variant made than they name, or whose
    generation named two variants, or that belong to another request.
    """
    answers = Counter(answer["id"] for answer in answered if answer["status"] == 200)
    sent = {request["id"]: request for request in asked}
    named: dict[int, str] = {}
    wrong = 0
    for answer in answered:
        if answer["status"] != 200:
            continue
        made_by = find_variant(sent[answer["id"]]["x"], answer["y"])
        right = made_by == answer["variant"] and answer["of"] == answer["id"]
        right = right and named.setdefault(answer["generation"], answer["variant"]) == answer["variant"]
        wrong += not right
    times = [entry["ns"] for entry in (*asked, *answered)]
    return {
        "requests": len(sent),
        "answered_once": sum(1 for name in sent if answers[name] == 1),
        "wrong_variant": wrong,
        "dropped": len(lost) + sum(1 for answer in answered if answer["status"] != 200),
        "variants": dict(sorted(Counter(a["variant"] for a in answered if a["status"] == 200).items())),
        "generations": len(named),
        "seconds": round((max(times) - min(times)) / 1e9, 1) if times else 0.0,
    }


def _list_leftovers(before: Json, after: Json) -> list[str]:
    told = [f"thread {name}" for name in after["threads"]]
    if after["processes"] > before["processes"]:
        told.append(f"{after['processes'] - before['processes']} processes")
    if after["memory_mb"] - before["memory_mb"] > MEMORY_LIMIT_MB:
        told.append(f"{after['memory_mb'] - before['memory_mb']:.0f} MB")
    return told


def _list_wrong_counters(counters: Json, outcomes: "Counter[str]") -> list[str]:
    """Return where the engine's own counters say something else than what happened."""
    committed = outcomes["committed"] + outcomes["recovered"]  # a recovered one was committed, and lost afterwards
    sums = {
        "swaps_succeeded": (counters["swaps_succeeded"], committed),
        "swaps_failed": (counters["swaps_failed"], outcomes["failed"]),
        "swaps_attempted": (counters["swaps_attempted"], committed + outcomes["failed"]),
        "recoveries": (counters.get("recoveries", 0), outcomes["recovered"]),
        # every model that was ever active, the first included, is unloaded in the end
        "models_unloaded": (counters.get("models_unloaded", 0), 1 + committed + outcomes["recovered"]),
        "loop_errors": (counters.get("loop_errors", 0), 0),
    }
    return [f"{name}: {found}, should be {wanted}" for name, (found, wanted) in sums.items() if found != wanted]
