"""The fifteen fields, for every preset that is shipped; sizes come from the artifact's interface."""

import pytest
from edgeproof.artifacts.records.formats import select_build_options
from edgeproof.artifacts.records.manifests import read_manifest, write_manifest
from edgeproof.artifacts.records.runtime_summary import summarise_artifact, summarise_input_sizes
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.seals import SEAL, digest_json

from .conftest import make_without_weights

PRESETS = read_catalogue("preset", REPOSITORY / "config")
FIELDS = [
    "source_model_path", "source_model_sha256", "backend", "target", "precision", "batch", "height", "width",
    "artifact_path", "artifact_sha256", "artifact_type", "metadata_path", "manifest_path", "preset_name", "build_id",
]  # fmt: skip


@pytest.fixture
def built(job):
    job.build("fp16")
    return job.folder / "fp16" / "manifest.json"


def test_the_fields_are_those_of_the_contract(built):
    summary = summarise_artifact(built)
    assert [name for name in summary if name != "schema"] == FIELDS
    assert (summary["batch"], summary["height"], summary["width"]) == (1, 8, 8)
    assert summary["artifact_sha256"] == sha256_file(built.with_name("artifact.onnx"))
    assert summary["build_id"] == f"tiny-ort-cpu-host-fp16-{sha256_file(built)[:12]}"


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_shipped_preset_has_a_valid_summary(built, name):
    """The manifest of a small build, retold for each preset: what a summary needs is in every manifest."""
    preset = PRESETS[name]
    assert preset["precisions"]
    manifest = {key: value for key, value in read_manifest(built).items() if key != SEAL}
    for precision in preset["precisions"]:
        builder = "host" if preset["built"] == "host" else "jetson"
        manifest["cell"] = {"model": "tiny", "preset": name, "builder": builder, "precision": precision}
        manifest["preset"] = select_build_options(preset, precision)
        manifest["preset_sha256"] = digest_json(manifest["preset"])
        manifest["artifact"]["format"] = preset["artifact"]
        write_manifest(built, manifest)
        summary = validate(summarise_artifact(built), "runtime-summary", name)
        assert (summary["preset_name"], summary["target"]) == (name, builder)


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ([1, 3, 224, 320], (1, 224, 320)),
        ([1, 224, 320, 3], (1, 224, 320)),
        (["n", 1, 8, 8], (1, 8, 8)),
        ([4, 8, 8, 1], (4, 8, 8)),
        ([1, 64], (1, 1, 64)),
        ([1, 10, 12], (1, 1, 120)),
        ([1], (1, 1, 1)),
        ([], (1, 1, 1)),
    ],
)
def test_sizes_follow_from_the_shape(shape, sizes):
    assert summarise_input_sizes({"name": "x", "shape": shape}, "m") == sizes


def test_what_has_no_size_or_no_artifact_has_no_summary(make_job):
    with pytest.raises(UserError, match=r"input 'x' has shape \[1, 3, 'h', 'w'\]; a summary needs fixed sizes"):
        summarise_input_sizes({"name": "x", "shape": [1, 3, "h", "w"]}, "m")
    job = make_job(make_without_weights())
    job.build("int8")
    with pytest.raises(UserError, match=r"the build failed .*there is nothing to run"):
        summarise_artifact(job.folder / "int8" / "manifest.json")
