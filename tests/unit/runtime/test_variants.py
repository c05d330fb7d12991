"""Family files: EdgeAdapt's schema 1 loads unchanged, and what is wrong is named with file, variant and field."""

import json

import pytest
from edgeproof.runtime.variants import FamilyYamlError, ModelFamily, VariantMetadata

EXAMPLE = """\
schema_version: 1
family: demo
variants:
  full:
    path: full.onnx
    tier: high
    metadata: {expected_latency_ms: 120, memory_footprint_mb: 250, accuracy_score: 0.92, power_draw_estimate: high}
  tiny:
    path: models/tiny.tflite
    tier: low
    backend: tflite
"""


def write(folder, text, name="family.yaml"):
    (folder / name).write_text(text)
    return folder / name


def test_a_family_of_edgeadapt_loads(tmp_path):
    family = ModelFamily.from_yaml(write(tmp_path, EXAMPLE))
    assert family.name == "demo" and list(family.variants) == ["full", "tiny"]
    assert family.variants["full"].metadata == VariantMetadata(120.0, 250.0, 0.92, "high")
    assert family.variants["tiny"].metadata == VariantMetadata(0.0, 0.0, 0.0, "medium")
    assert family.variants["tiny"].path == "models/tiny.tflite"
    resolved = family.resolve_paths(tmp_path)
    assert resolved.variants["tiny"].path == str(tmp_path / "models/tiny.tflite")
    assert family.variants["tiny"].path == "models/tiny.tflite"


def test_json_needs_no_yaml(tmp_path):
    document = {"family": "demo", "variants": {"a": {"path": "a.onnx", "tier": "low"}}}
    assert list(ModelFamily.from_yaml(write(tmp_path, json.dumps(document), "family.json")).variants) == ["a"]


METADATA = (
    "metadata: {expected_latency_ms: 120, memory_footprint_mb: 250, accuracy_score: 0.92, power_draw_estimate: high}"
)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (METADATA, "metadata: {expected_latency_ms: .nan}", "variants.full.metadata.expected_latency_ms: is nan"),
        (METADATA, "metadata: {memory_footprint_mb: .inf}", "variants.full.metadata.memory_footprint_mb: is inf"),
        (METADATA, "metadata: {accuracy_score: true}", "variants.full.metadata.accuracy_score: is True"),
        (METADATA, "metadata: {accuracy_score: 1.5}", "a number from 0 to 1"),
        (METADATA, "metadata: {memory_footprint_mb: -1}", "a number of at least 0"),
        (METADATA, "metadata: {memory_footprnt_mb: 250}", "did you mean 'memory_footprint_mb'?"),
        (METADATA, "metadata: {power_draw_estimate: huge}", "one of low, medium, high"),
        (METADATA, "metadata: {accuracy_interval: [0.9, 0.8]}", "an interval is [low, high]"),
        ("tier: high", "tier: best", "variants.full.tier: is 'best'"),
        ("tier: high", "backend: onnx", "variants.full.tier: is None"),
        ("path: full.onnx", "path: ''", "variants.full.path"),
        ("backend: tflite", "backend: magic", "variants.tiny.backend: is 'magic'"),
        ("backend: tflite", "runtime: tflite", "unknown key 'runtime'"),
        ("  tiny:", "  full:", "key 'full' occurs twice"),
        ("schema_version: 1", "schema_version: 2", "schema_version is 2"),
        ("schema_version: 1", "schema_version: true", "schema_version is True"),
        ("family: demo", "family: ''", "give the family a name"),
        ("family: demo", "family: [", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, told):
    assert old in EXAMPLE
    path = write(tmp_path, EXAMPLE.replace(old, new, 1))
    with pytest.raises(FamilyYamlError) as error:
        ModelFamily.from_yaml(path)
    assert told in str(error.value) and str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["[]", "family: demo", "family: demo\nvariants: {}", "family: demo\nvariants: {a: 1}"])
def test_other_shapes_are_refused(tmp_path, text):
    with pytest.raises(FamilyYamlError):
        ModelFamily.from_yaml(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FamilyYamlError, match="cannot be read"):
        ModelFamily.from_yaml(tmp_path / "none.yaml")


def test_variants_can_be_added_and_measured_again():
    family = ModelFamily("demo")
    family.add_variant("a", "a.onnx", "low", metadata=VariantMetadata(10.0, 20.0, 0.5, "low"))
    with pytest.raises(ValueError, match="is there already"):
        family.add_variant("a", "b.onnx", "low")
    with pytest.raises(ValueError, match="expected_latency_ms"):
        family.add_variant("b", "b.onnx", "low", metadata=VariantMetadata(float("nan")))
    before = family.variants
    family.set_latency("a", 4.0)
    assert family.variants["a"].metadata.expected_latency_ms == 4.0 and before["a"].metadata.expected_latency_ms == 10.0
