"""The steps of every build: a job must be consistent, and inputs must be such that samples can be fed."""

import pytest
from edgeproof.artifacts.builds.build_failures import BuildError
from edgeproof.artifacts.builds.build_inputs import fix_open_inputs
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.build_steps import check_before_build
from edgeproof.artifacts.builds.range_calibration import require_calibration_file
from edgeproof.core.errors import UserError

from .conftest import BUILD


def make(job, precision="int8", **changes):
    arguments = {
        "script": "scripts/build_onnx.py",
        "argv": [],
        "cell": {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": precision},
        "source": job.source,
        "identity": job.identity,
        "preset": {"backend": "onnxruntime", "artifact": "onnx", "build": BUILD},
        "precision": precision,
        "artifact": job.folder / "a" / "artifact.onnx",
        "manifest": job.folder / "a" / "manifest.json",
    }
    return BuildJob(**{**arguments, **changes})


def test_a_consistent_job_gives_the_identity_and_the_options_of_its_precision(job):
    known, options = check_before_build(make(job), "onnx")
    assert known["model"] == "tiny" and options == BUILD
    assert check_before_build(make(job, "fp16"), "onnx")[1] == {}
    assert check_before_build(make(job, "int8-dynamic"), "onnx")[1] == {"per_channel": True}


def test_a_format_that_the_script_does_not_build_is_refused(job):
    with pytest.raises(UserError, match=r"artifact is 'onnx'; scripts/build_onnx\.py builds tflite, pt"):
        check_before_build(make(job), "tflite", "pt")


def test_int8_needs_a_calibration_set(job):
    with pytest.raises(UserError, match="give one with --calibration"):
        require_calibration_file(make(job))
    assert require_calibration_file(make(job, calibration="c.npz")) == "c.npz"


def test_a_named_batch_becomes_one_and_another_named_size_is_refused():
    assert fix_open_inputs([{"name": "a", "shape": ["n", 3]}, {"name": "b", "shape": [1, 2]}]) == {"a": [1, 3]}
    with pytest.raises(BuildError, match="only its batch may be open"):
        fix_open_inputs([{"name": "a", "shape": [1, "width"]}])
