"""`edgeproof artifacts inspect` of an artifact that computes something else: its result is not called ready."""

from edgeproof.artifacts.comparable_builds import Build, Measurement
from edgeproof.artifacts.verb_output import show_manifest
from edgeproof.core.layout import Cell

from .conftest import make_classifier


def test_a_result_of_wrong_outputs_is_not_ready(make_job):

    job = make_job(make_classifier())
    manifest = job.build("fp16")
    build = Build("m", manifest["cell"], None, "", (Measurement(Cell("m", "p", "desk", "fp16"), "ready"),))
    told = {}
    for limit in (1.0, 1e-9):
        parity = job.check("fp16", thresholds={"max_relative_l2": limit})
        told[parity["status"]] = "\n".join(show_manifest(manifest, parity, build, "next"))
    assert "m/p/desk/fp16: ready" in told["passed"]
    assert "m/p/desk/fp16: measured, but its outputs are wrong" in told["failed"] and ": ready" not in told["failed"]
