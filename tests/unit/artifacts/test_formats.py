"""What of a preset decides a build: the options of the precision that is built, and no other's."""

import pytest
from edgeproof.artifacts.records.formats import FORMATS, check_options, take_snapshot
from edgeproof.core.campaign import read_catalogue
from edgeproof.core.errors import UserError

PRESETS = read_catalogue("preset")
BUILDS = [(name, precision) for name, preset in PRESETS.items() for precision in preset["precisions"]]


@pytest.mark.parametrize(("name", "precision"), BUILDS)
def test_a_snapshot_has_what_the_build_uses_and_nothing_else(name, precision):
    preset = PRESETS[name]
    snapshot, kind = take_snapshot(preset, precision), FORMATS[preset["artifact"]]
    assert set(snapshot) == {"backend", "artifact", "build"}
    assert set(snapshot["build"]) == kind.options[precision]
    assert check_options(snapshot["build"], precision, kind) == snapshot["build"]


def test_what_no_precision_knows_stays_and_is_refused():
    preset = {**PRESETS["ort-cpu"], "build": {"per_chanel": True, "calibration_samples": 200}}
    snapshot = take_snapshot(preset, "fp32")
    assert snapshot["build"] == {"per_chanel": True}
    with pytest.raises(UserError, match=r"unknown key build\.per_chanel"):
        check_options(snapshot["build"], "fp32", FORMATS["onnx"])


def test_a_snapshot_of_a_snapshot_is_the_same():
    for name, precision in BUILDS:
        snapshot = take_snapshot(PRESETS[name], precision)
        assert take_snapshot(snapshot, precision) == snapshot


def test_a_kind_of_artifact_that_nobody_knows_keeps_all():
    preset = {"backend": "x", "artifact": "y", "build": {"z": 1}}
    assert take_snapshot(preset, "fp32") == preset
