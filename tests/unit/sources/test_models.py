"""The models that ship, and the schema that holds them."""

import re

import pytest
from edgeproof.core.documents import SCHEMAS, load_schema, validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.yaml_files import read_yaml
from edgeproof.sources.onnx_light import ARCHITECTURES
from edgeproof.sources.samples import MINIMUM_CALIBRATION

ROOT = SCHEMAS.parents[1]
MODELS = sorted((ROOT / "config" / "models").glob("*.yaml"))
HEX = "0" * 64
RANDOM = {"kind": "random", "seed": 0, "calibration": 256, "evaluation": 64}


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_shipped_models_satisfy_the_schema_and_their_files_are_there(path):
    model = read_yaml(path, "model")
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]*", path.stem)
    assert "\n" not in model["description"]
    if model["source"]["kind"] == "file":
        assert sha256_file(ROOT / model["source"]["path"]) == model["source"]["sha256"]
    if model["samples"]["kind"] == "random":
        assert model["task"] == "none"
        assert model["samples"]["calibration"] >= 256


def test_the_nine_models_are_there():
    names = {path.stem for path in MODELS}
    assert names >= {"diabetes-mlp", "digits-cnn", "digits-cnn-retrained", "squeezenet", "shufflenet", "resnet50"}
    assert names >= {"digits-lstm", "digits-autoencoder", "scenes-detector"}


def make_model(**changes):
    model = {
        "description": "d",
        "source": {"kind": "file", "path": "m.onnx"},
        "task": "none",
        "samples": RANDOM,
    }
    return {**model, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source": {"kind": "file", "path": "m.onnx", "sha256": HEX}},
        {"source": {"kind": "url", "url": "https://127.0.0.1/m.onnx", "sha256": HEX}},
        {"source": {"kind": "recipe", "recipe": "digits-cnn"}},
        {"source": {"kind": "recipe", "recipe": "digits-cnn", "options": {"seed": 1, "epochs": 3}}},
        {"samples": {"kind": "digits"}},
        {
            "samples": {
                "kind": "file",
                "calibration": "c.npz",
                "calibration_sha256": HEX,
                "evaluation": "e.npz",
                "evaluation_sha256": HEX,
            }
        },
    ],
)
def test_what_the_schema_allows(changes):
    assert validate(make_model(**changes), "model", "m.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sauce": 1}, "unknown key 'sauce'"),
        ({"task": "detection"}, "task is .*allowed: classification, regression, none"),
        ({"source": {"kind": "ftp"}}, "source.kind is .*allowed: file, url, recipe"),
        ({"source": {"path": "m.onnx"}}, "source: key 'kind' is missing"),
        ({"source": {"kind": "file"}}, "source: key 'path' is missing"),
        ({"source": {"kind": "file", "path": "m", "url": "u"}}, "source: unknown key 'url'; known keys are kind, path"),
        ({"source": {"kind": "url", "url": "https://127.0.0.1/m"}}, "source: key 'sha256' is missing"),
        ({"source": {"kind": "url", "url": "file:///m", "sha256": HEX}}, "source.url is"),
        ({"source": {"kind": "file", "path": "m", "sha256": "abc"}}, "source.sha256 is"),
        (
            {"source": {"kind": "recipe", "recipe": "magic"}},
            "recipe is .*digits-cnn, .*-detector, onnx-light",
        ),
        ({"source": {"kind": "recipe", "recipe": "onnx-light"}}, "source: key 'options' is missing"),
        (
            {"source": {"kind": "recipe", "recipe": "onnx-light", "options": {"architecture": "vgg"}}},
            "source.options.architecture is .*squeezenet",
        ),
        (
            {"source": {"kind": "recipe", "recipe": "digits-cnn", "options": {"architecture": "vgg"}}},
            "source.options: unknown key 'architecture'",
        ),
        ({"samples": {"kind": "digits", "seed": 0}}, "samples: unknown key 'seed'"),
        ({"samples": {**RANDOM, "calibration": 199}}, "samples.calibration is 199; it must be ≥ 200"),
        ({"samples": {**RANDOM, "seed": True}}, "samples.seed is true; a whole number"),
        ({"samples": {"kind": "file", "calibration": "c"}}, "samples: key 'calibration_sha256' is missing"),
    ],
)
def test_what_the_schema_refuses_is_one_line_that_names_the_key(changes, message):
    with pytest.raises(UserError, match=message):
        validate(make_model(**changes), "model", "m.yaml")


def test_schema_and_code_name_the_same_architectures_and_limits():
    schema = load_schema("model")["$defs"]
    assert schema["options-onnx-light"]["properties"]["architecture"]["enum"] == list(ARCHITECTURES)
    assert schema["samples-random"]["properties"]["calibration"]["minimum"] == MINIMUM_CALIBRATION
