"""The runtimes as the agent drives them; stand-ins take the place of their packages, so none of them is needed here."""

import json
import sys
import zipfile
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from edgeproof.agent.backends import litert, opening
from edgeproof.agent.backends.definitions import HOST_ARRAYS, count_threads
from edgeproof.agent.failures import NoVerdict, Verdict
from edgeproof.agent.inference import run_one
from hypothesis import given
from hypothesis import strategies as st

BACKENDS = {"onnxruntime": "onnxruntime", "litert": "ai_edge_litert", "openvino": "openvino", "torchscript": "torch"}
INTERFACE = {
    "inputs": [{"source": "image", "name": "input_0", "axes": [0, 2, 3, 1]}],
    "outputs": [{"source": "map", "name": "output_0", "axes": [0, 2, 3, 1]}],
}


def arm(backend, artifact="none", **runtime):
    return {"backend": backend, "precision": "fp32", "artifact": str(artifact), "runtime": runtime}


def test_an_unknown_backend_is_no_verdict():
    with pytest.raises(NoVerdict) as caught:
        opening.open_backend(arm("tensorrt-in-the-sky"))
    assert caught.value.kind == "unknown_backend"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_missing_runtime_is_no_verdict(backend, monkeypatch):
    monkeypatch.setitem(sys.modules, BACKENDS[backend], None)
    with pytest.raises(NoVerdict) as caught:
        opening.open_backend(arm(backend))
    assert caught.value.kind == "runtime_missing" and BACKENDS[backend] in str(caught.value)


def test_core_ml_is_unsupported_where_there_is_no_macos(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(Verdict, match="macOS only") as caught:
        opening.open_backend(arm("coreml"))
    assert caught.value.kind == "provider_unavailable"


def test_threads_are_counted_where_a_runtime_must_be_told():
    assert count_threads(3) == 3
    assert count_threads(0) >= 1


class Interpreter:
    """A TFLite interpreter whose model doubles one NHWC tensor; with `scale`, both ends are int8."""

    delegated, scale, signature = True, 0.0, True

    def __init__(self, model_path, num_threads, experimental_op_resolver_type):
        self.threads, self.values, self.quiet = num_threads, {}, None

    def allocate_tensors(self):
        pass

    def _get_ops_details(self):
        return [{"op_name": "MUL"}, *([{"op_name": "DELEGATE"}] if self.delegated else [])]

    def tensor(self, index):
        dtype = np.int8 if self.scale else np.float32
        shape = np.array([1, 2, 4, 3])
        return {"name": f"t{index}", "index": index, "shape": shape, "dtype": dtype, "quantization": (self.scale, -3)}

    def get_signature_list(self):
        return {"serving_default": {}} if self.signature else {}

    def get_signature_runner(self):
        return SimpleNamespace(
            get_input_details=lambda: {"input_0": self.tensor(0)},
            get_output_details=lambda: {"output_0": self.tensor(1)},
        )

    def get_input_details(self):
        return [self.tensor(0)]

    def get_output_details(self):
        return [self.tensor(1)]

    def set_tensor(self, index, value):
        assert value.shape == (1, 2, 4, 3) and value.dtype == self.tensor(0)["dtype"] and value.flags.c_contiguous
        self.values[index] = value

    def invoke(self):
        zero = -3 if self.scale else 0
        doubled = 2.0 * (self.values[0].astype("float32") - zero) + zero
        self.values[1] = np.clip(doubled, -128, 127).astype(self.values[0].dtype) if self.scale else doubled

    def get_tensor(self, index):
        return self.values[index]


@pytest.fixture
def tflite(tmp_path, monkeypatch):
    """Install a stand-in for ai_edge_litert; return (its Interpreter class, a file with an interface)."""
    kind = type("Kind", (Interpreter,), {})
    package, module = ModuleType("ai_edge_litert"), ModuleType("ai_edge_litert.interpreter")
    package.__version__, package.interpreter = "9.9", module
    module.Interpreter = kind
    module.OpResolverType = SimpleNamespace(BUILTIN="all", BUILTIN_WITHOUT_DEFAULT_DELEGATES="plain")
    monkeypatch.setitem(sys.modules, "ai_edge_litert", package)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", module)
    path = tmp_path / "artifact.tflite"
    path.write_bytes(b"TFL3")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("interface.json", json.dumps(INTERFACE))
    return kind, path


def test_litert_brings_layouts_there_and_back(tflite):
    backend = opening.open_backend(arm("litert", tflite[1], intra_op_threads=2))
    image = np.arange(24, dtype="float32").reshape(1, 3, 2, 4)
    (result,) = run_one(backend, {"image": image})
    np.testing.assert_array_equal(result, 2 * image)
    assert backend.inputs == [("image", "float32", [1, 3, 2, 4])]
    assert backend.outputs == [("map", "float32", [1, 3, 2, 4])]
    assert (backend.provider_requested, backend.providers_used) == ("XNNPACK", ("XNNPACK", "CPU"))
    assert backend.definition()["boundary"] == HOST_ARRAYS and backend.definition()["threads"] == 2


def test_litert_says_so_when_integers_are_converted_outside_of_the_timed_call(tflite):
    tflite[0].scale = 0.5
    backend = opening.open_backend(arm("litert", tflite[1]))
    image = np.linspace(-20, 20, 24, dtype="float32").reshape(1, 3, 2, 4)
    (result,) = run_one(backend, {"image": image})
    assert result.dtype == np.float32 and np.abs(result - 2 * image).max() <= 0.5
    assert backend.definition()["boundary"] != HOST_ARRAYS and "quantised before" in backend.definition()["boundary"]


def test_litert_without_an_interface_is_taken_as_it_is(tflite, tmp_path):
    path = tmp_path / "foreign.tflite"
    path.write_bytes(b"TFL3")
    tflite[0].signature = False
    backend = opening.open_backend(arm("litert", path))
    (result,) = run_one(backend, {"t0": np.ones((1, 2, 4, 3), "float32")})
    assert result.shape == (1, 2, 4, 3) and backend.outputs == [("t1", "float32", [1, 2, 4, 3])]


def test_litert_does_not_pass_its_reference_kernels_off_as_xnnpack(tflite):
    tflite[0].delegated = False
    with pytest.raises(Verdict, match="took no operator") as caught:
        opening.open_backend(arm("litert", tflite[1]))
    assert caught.value.kind == "provider_unavailable"
    assert opening.open_backend(arm("litert", tflite[1], delegate="none")).providers_used == ("CPU",)


@given(
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=20),
    st.floats(2**-10, 10, width=32),
    st.integers(-128, 127),
)
def test_quantising_is_within_half_a_step_or_at_the_end_of_the_range(values, scale, zero):
    tensor = {"dtype": np.int8, "quantization": (float(scale), zero)}
    array = np.array(values, "float32")
    restored = litert.dequantise(litert.quantise(array, tensor), tensor).astype("float64")
    low, high = (-128 - zero) * float(scale), (127 - zero) * float(scale)
    assert (np.abs(restored - np.clip(array, low, high)) <= 0.5001 * scale + 1e-4).all()


class Port(SimpleNamespace):
    def get_any_name(self):
        return self.name

    def get_partial_shape(self):
        return [SimpleNamespace(is_static=True, get_length=lambda: 4)]

    def get_element_type(self):
        return SimpleNamespace(to_dtype=lambda: np.dtype("float32"))


@pytest.fixture
def vino(tmp_path, monkeypatch):
    """Install a stand-in for openvino that computes in `precision`; return (its state, an artifact)."""
    state = SimpleNamespace(precision="f32", settings=None, devices=["CPU"], error=None)

    class Compiled:
        inputs, outputs = [Port(name="x")], [Port(name="y")]

        def get_property(self, name):
            return {
                "INFERENCE_PRECISION_HINT": SimpleNamespace(get_type_name=lambda: state.precision),
                "EXECUTION_DEVICES": ["CPU"],
                "INFERENCE_NUM_THREADS": 2,
            }[name]

        def create_infer_request(self):
            def infer(feed, share_inputs, share_outputs):
                assert share_inputs and not share_outputs
                return SimpleNamespace(to_tuple=lambda: (feed["x"] + 1,))

            return SimpleNamespace(infer=infer)

    class Core:
        @property
        def available_devices(self):
            return state.devices

        def read_model(self, model, weights):
            if state.error:
                raise RuntimeError(state.error)
            assert (model, weights) == (b"<xml/>", b"bin")
            return "model"

        def compile_model(self, model, device, settings):
            state.settings = settings
            return Compiled()

    module = ModuleType("openvino")
    module.__version__, module.Core = "2026.4.1-22982-abc", Core
    monkeypatch.setitem(sys.modules, "openvino", module)
    path = tmp_path / "artifact.openvino.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.xml", "<xml/>")
        archive.writestr("model.bin", "bin")
    return state, path


def test_openvino_always_sets_the_precision_it_computes_in(vino):
    state, path = vino
    backend = opening.open_backend(arm("openvino", path, intra_op_threads=1))
    assert state.settings["INFERENCE_PRECISION_HINT"] == "f32" and state.settings["INFERENCE_NUM_THREADS"] == "1"
    (result,) = run_one(backend, {"x": np.zeros(4, "float32")})
    assert result.tolist() == [1, 1, 1, 1]
    assert backend.version == "2026.4.1" and backend.outputs == [("y", "float32", [4])]
    assert backend.definition()["boundary"] == HOST_ARRAYS


@pytest.mark.parametrize(
    ("change", "runtime", "kind", "message"),
    [
        ({"precision": "bf16"}, {}, "provider_unavailable", "f32 was asked for, bf16 took its place"),
        ({}, {"device": "GPU"}, "provider_unavailable", "GPU is not a device of this openvino, which has CPU"),
        ({"error": "Unsupported operation Frobnicate"}, {}, "unsupported_operator", "Frobnicate"),
        ({"error": "torn file"}, {}, "load_failed", "torn file"),
    ],
)
def test_openvino_verdicts(vino, change, runtime, kind, message):
    vars(vino[0]).update(change)
    with pytest.raises(Verdict, match=message) as caught:
        opening.open_backend(arm("openvino", vino[1], **runtime))
    assert caught.value.kind == kind


def test_torchscript_takes_names_from_the_file(monkeypatch):
    class Tensor:
        def __init__(self, array):
            self.array = array

        def numpy(self):
            return self.array

    class Module:
        def eval(self):
            return self

        def __call__(self, first, second):
            return Tensor(first.array + second.array), Tensor(first.array - second.array)

    def load(path, map_location, _extra_files):
        _extra_files["interface.json"] = json.dumps({"inputs": ["a", "b"], "outputs": ["sum", "difference"]})
        return Module()

    torch = ModuleType("torch")
    torch.__version__, calls = "9.9+cu", {}
    torch.set_num_threads = lambda number: calls.update(intra=number)
    torch.set_num_interop_threads = lambda number: calls.update(inter=number)
    torch.jit = SimpleNamespace(load=load, freeze=lambda module: calls.update(frozen=True) or module)
    torch.from_numpy = Tensor

    class Mode:
        def __enter__(self):
            pass

        def __exit__(self, *exception):
            pass

    torch.inference_mode = Mode
    monkeypatch.setitem(sys.modules, "torch", torch)
    backend = opening.open_backend(arm("torchscript", intra_op_threads=2))
    feed = {"b": np.ones(2, "float32"), "a": np.zeros(2, "float32")}
    assert [value.tolist() for value in run_one(backend, feed)] == [[1, 1], [-1, -1]]
    assert calls == {"intra": 2, "inter": 1, "frozen": True}
    assert [name for name, _, _ in backend.outputs] == ["sum", "difference"]
