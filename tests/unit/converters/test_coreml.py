"""How outputs of a Core ML package are named; the tools are stand-ins, the real ones run in tests/toolchain."""

import importlib
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

TOOLS = ("coremltools", "coremltools.optimize", "coremltools.optimize.coreml", "tensorflow")


@pytest.fixture
def coreml(monkeypatch):
    """The converter, imported with stand-ins for its tools."""
    for name in TOOLS:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    monkeypatch.delitem(sys.modules, "edgeproof.converters.to_coreml", raising=False)
    module = importlib.import_module("edgeproof.converters.to_coreml")
    yield module
    sys.modules.pop("edgeproof.converters.to_coreml")


def make_signature(count):
    """Return a signature as TensorFlow makes it: a mapping of names, and tensors in the order of these as texts."""
    names = [f"output_{k}" for k in range(count)]
    tensors = [SimpleNamespace(op=SimpleNamespace(name=f"node of {name}")) for name in sorted(names)]
    return SimpleNamespace(structured_outputs=dict.fromkeys(names), outputs=tensors)


@pytest.mark.parametrize("count", [2, 12])
def test_outputs_get_the_names_of_their_nodes(coreml, count):
    outputs = [{"name": f"output_{k}"} for k in range(count)]
    coreml.name_outputs(outputs, lambda: make_signature(count))
    assert [item["name"] for item in outputs] == [f"node of output_{k}" for k in range(count)]


def test_a_single_output_needs_no_name(coreml):
    outputs = [{"name": "output_0"}]
    coreml.name_outputs(outputs, lambda: pytest.fail("the SavedModel is loaded for nothing"))
    coreml.require_outputs(outputs, ["Identity"])
    assert outputs == [{"name": "Identity"}]


def test_a_package_that_lacks_an_output_is_our_fault_and_not_the_models(coreml):
    outputs = [{"name": "Identity"}, {"name": "Identity_1"}]
    coreml.require_outputs(outputs, ["Identity_1", "Identity"])
    with pytest.raises(RuntimeError, match="Identity_2"):
        coreml.require_outputs(outputs, ["Identity", "Identity_2"])


def test_the_tool_is_told_every_output_by_name(coreml, tmp_path, monkeypatch):
    asked = {}

    def convert(path, **options):
        asked.update(options)
        raise ValueError("seen")

    coreml.ct.convert = convert
    coreml.ct.TensorType = lambda *arguments, **options: (*arguments, options)
    coreml.tf.saved_model.load = lambda path: SimpleNamespace(signatures={"serving_default": make_signature(2)})
    monkeypatch.setattr(coreml, "unpack", lambda archive, folder: folder)
    outputs = [{"name": f"output_{k}", "dtype": dtype} for k, dtype in enumerate(("float32", "int64"))]
    spec = {"saved_model": "model.zip", "precision": "fp32", "interface": {"inputs": [], "outputs": outputs}}
    with pytest.raises(Exception, match="coremltools: seen"):
        coreml.convert(spec, tmp_path)
    assert asked["outputs"] == [
        ("node of output_0", {"dtype": coreml.np.float32}),
        ("node of output_1", {"dtype": coreml.np.int32}),
    ]
