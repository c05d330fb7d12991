"""The three facts that explain a plan."""

import pytest
from edgeproof.plans.outcome.explanation import explain_plan


def make_plan(transfers=()):
    stages = [("a", "cpu", 2.0, 0.0), ("b", "npu", 5.0, 1.25)]
    return {
        "assignments": [
            {"stage_name": n, "device_name": d, "variant": "", "total_latency_ms": total, "transfer_latency_ms": moved}
            for n, d, total, moved in stages
        ],
        "memory": [
            {"device_name": "cpu", "used_mb": 500.0, "budget_mb": 1000},
            {"device_name": "npu", "used_mb": 300.0, "budget_mb": 400},
        ],
        "transfers": list(transfers),
    }


def make_transfer(latency_ms, source="a", target="b"):
    return {
        "source_stage": source,
        "target_stage": target,
        "source_device": "cpu",
        "target_device": "npu",
        "latency_ms": latency_ms,
    }


def test_slowest_and_fullest_are_named():
    slowest, fullest, _ = explain_plan(make_plan())
    assert slowest == "Slowest stage: b on npu, 5.00 ms, of which 1.25 ms crossing."
    assert fullest == "Fullest device: npu, 75 % of its memory (300 of 400 MB)."


@pytest.mark.parametrize(
    ("transfers", "words"),
    [
        ([], "No crossing: everything stays on one device."),
        ([make_transfer(0), make_transfer(0)], "Crossings: 2, none of them takes time."),
        ([make_transfer(1.25)], "a to b, cpu → npu, 1.25 ms of 1 crossing."),
        (
            [make_transfer(1), make_transfer(3, None, None)],
            "the input to the output, cpu → npu, 3.00 ms of 2",
        ),
    ],
)
def test_crossings(transfers, words):
    assert words in explain_plan(make_plan(transfers))[2]
