"""The protocols for first answers and for sustained load, on a real model."""

import json

import pytest

RUN = "results/runs/digits-cnn/ort-cpu/local/fp32/result.json"


def measure(workspace, protocol):
    """Measure digits-cnn under a protocol and return its result."""
    workspace.write(
        "config/trial.yaml",
        f"campaign: trial\nprotocol: {protocol}\npolicy: strict\ndevices: [local]\n"
        "matrices:\n  - {models: [digits-cnn], presets: [ort-cpu], precisions: [fp32]}\n",
    )
    done = workspace.snakemake("--replace-workflow-config", RUN, config="config/trial.yaml")
    assert done.returncode == 0, done.stdout
    return json.loads((workspace.root / RUN).read_text())


@pytest.mark.campaign  # half a minute
def test_cold_measures_many_starts_and_sustained_one_until_it_has_settled(workspace):
    cold = measure(workspace, "cold")
    assert (cold["status"], len(cold["processes"])) == ("ok", 20)
    assert all(process["cold_first_inference_ms"] > 0 for process in cold["processes"])
    assert cold["percentiles"]["p50"]["low_ms"] is not None  # twenty starts carry an interval
    workspace.edit("config/protocols/sustained.yaml", "seconds: 900", "seconds: 4")
    workspace.edit("config/protocols/sustained.yaml", "window_seconds: 10", "window_seconds: 0.25")
    sustained = measure(workspace, "sustained")
    (process,) = sustained["processes"]
    load = process["load"]
    assert sustained["status"] == "ok" and sustained["protocol"]["requested"]["load"]["seconds"] == 4
    assert load["settled"] or load["windows"][-1]["seconds"] >= 4
    assert load["settled"] != ("not_settled" in [entry["label"] for entry in sustained["labels"]])
    assert process["samples"] == load["counted"] < sustained["protocol"]["carried_out"]["samples"]
    assert [session["attempt"] for session in sustained["sessions"]] != [s["attempt"] for s in cold["sessions"]]
