"""The judge of the swap proof: a good log proves it, and every kind of damage is found."""

import json

import pytest
from edgeproof.bench.swap_verdicts import judge_log
from edgeproof.core.documents import validate

SUMS = {"full": (2.0, 1.0), "tiny": (8.0, 5.0)}


def make_log():
    """Return the lines of a run of four requests, a swap, a refused load and a recovery."""
    lines = [{"kind": "setting", "sums": SUMS, "clients": 1, "swaps": 3, "seed": 0, "width": 2}]
    for number, (variant, generation) in enumerate([("full", 1), ("tiny", 2), ("tiny", 2), ("full", 4)]):
        factor, offset = SUMS[variant]
        lines.append({"kind": "asked", "id": f"0-{number}", "x": number, "ns": number * 10**9})
        answer = {"id": f"0-{number}", "of": f"0-{number}", "status": 200, "ns": number * 10**9 + 10**6}
        made = {"y": [factor * number + offset] * 2, "variant": variant, "generation": generation}
        lines.append({"kind": "answered", **answer, **made})
    for wish, fault, outcome in (
        ("tiny", "none", "committed"),
        ("full", "load_fails", "failed"),
        ("isolated", "crash", "recovered"),
    ):
        lines.append({"kind": "swap", "wish": wish, "fault": fault, "outcome": outcome, "generation": 1})
    counters = {"swaps_attempted": 3, "swaps_succeeded": 2, "swaps_failed": 1, "recoveries": 1, "models_unloaded": 4}
    left = {"threads": [], "processes": 0, "memory_mb": 100.0}
    lines.append({"kind": "end", "drained": True, "counters": counters, "before": left, "after": left})
    return lines


def judge(folder, lines):
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return judge_log(path)


def test_a_good_log_proves_it(tmp_path):
    document = judge(tmp_path, make_log())
    assert document["proved"] and (document["requests"], document["answered_once"], document["swaps"]) == (4, 4, 3)
    assert (document["committed"], document["rolled_back"], document["seconds"]) == (1, 2, 3.0)
    validate(document, "bench-swaps", "here")


def damage(kind, number, **changes):
    """Return a function that changes the given line of a kind."""
    return lambda lines: [line for line in lines if line["kind"] == kind][number].update(changes)


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (damage("answered", 0, variant="tiny"), "wrong_variant", 1),
        (damage("answered", 1, y=[7.0, 7.0]), "wrong_variant", 1),
        (damage("answered", 1, of="0-9"), "wrong_variant", 1),
        (damage("answered", 3, generation=2), "wrong_variant", 1),
        (damage("answered", 2, status=503), "dropped", 1),
        (lambda lines: lines.append(lines[2]), "answered_once", 3),
        (lambda lines: lines.remove(lines[2]), "answered_once", 3),
        (lambda lines: lines.append({"kind": "lost", "id": "0-0", "why": "reset"}), "dropped", 1),
        (damage("swap", 0, outcome="stuck"), "unexpected", ["tiny: none → stuck"]),
        (damage("end", 0, drained=False), "drained", False),
        (
            damage("end", 0, after={"threads": ["edgeproof-load"], "processes": 1, "memory_mb": 190.0}),
            "left_over",
            ["thread edgeproof-load", "1 processes", "90 MB"],
        ),
        (
            lambda lines: lines[-1]["counters"].update(models_unloaded=3),
            "wrong_counters",
            ["models_unloaded: 3, should be 4"],
        ),
    ],
)
def test_every_damage_is_found(tmp_path, change, key, value):
    lines = make_log()
    change(lines)
    document = judge(tmp_path, lines)
    assert document[key] == value and not document["proved"]


def test_half_a_log_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one whole run"):
        judge(tmp_path, make_log()[:-1])
