"""The runtimes that the agent can drive. The only place in edgeproof that knows how to execute an artifact.

A backend has a `name`, a `version`, `import_ns` (time to import the runtime), the execution providers asked for and
used, the `inputs` and `outputs` of the artifact as `[(name, dtype, shape)]`, `bind(feed)`, which returns a function
without arguments that runs one inference, and `definition()`, which says what its "latency" includes.
"""

import json
import time

import numpy

from .failures import NoVerdict, Verdict

_ONNX_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int8)": "int8",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}

_GRAPH_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


class OnnxRuntime:
    """ONNX Runtime. Options: execution_provider, intra_op_threads (0: all), inter_op_threads, graph_optimization,
    spinning.
    """

    name = "onnxruntime"

    def __init__(self, arm):
        start = time.perf_counter_ns()
        try:
            import onnxruntime
        except ImportError as error:
            raise NoVerdict("runtime_missing", "onnxruntime cannot be imported: {}".format(error)) from error
        self.import_ns = time.perf_counter_ns() - start
        options = arm["runtime"]
        self.version = onnxruntime.__version__
        self.provider_requested = options.get("execution_provider", "CPUExecutionProvider")
        if self.provider_requested not in onnxruntime.get_available_providers():
            raise Verdict(
                "provider_unavailable",
                "{} is not in this onnxruntime build, which has {}".format(
                    self.provider_requested, ", ".join(onnxruntime.get_available_providers())
                ),
            )
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = options.get("intra_op_threads", 0)
        settings.inter_op_num_threads = options.get("inter_op_threads", 1)
        level = _GRAPH_LEVELS[options.get("graph_optimization", "all")]
        settings.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        self.spinning = bool(options.get("spinning", True))
        settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if self.spinning else "0")
        settings.log_severity_level = 3
        self.threads = settings.intra_op_num_threads
        try:
            self._session = onnxruntime.InferenceSession(arm["artifact"], settings, providers=[self.provider_requested])
        except MemoryError as error:
            raise Verdict("out_of_memory", error) from error
        except Exception as error:
            raise Verdict(classify_load_error(str(error)), error) from error
        self.providers_used = self._session.get_providers()
        if self.provider_requested not in self.providers_used:
            raise Verdict(
                "provider_unavailable",
                "{} was asked for, {} took its place".format(self.provider_requested, ", ".join(self.providers_used)),
            )
        self.inputs = [_describe(value) for value in self._session.get_inputs()]
        self.outputs = [_describe(value) for value in self._session.get_outputs()]
        self._output_names = [name for name, _, _ in self.outputs]

    def bind(self, feed):
        run, names = self._session.run, self._output_names

        def call():
            return run(names, feed)

        return call

    def definition(self):
        on_host = self.provider_requested == "CPUExecutionProvider"
        return {
            "boundary": "one call of InferenceSession.run from Python",
            "host_device_transfers": "none" if on_host else "included",
            "graph_capture": False,
            "spin_wait": self.spinning,
            "threads": self.threads,
        }


class Fake:
    """No runtime at all: outputs and times follow from a seed, so that a whole campaign runs in seconds.

    The artifact is a JSON file with `seed` (any text), `latency_ms` and `outputs` `[[name, shape]]`. Options: `noise`
    (relative standard deviation of a sample, default 0.01), `fail` (a verdict kind to end with, for tests).
    """

    name = "fake"
    version = "1"
    import_ns = 0
    provider_requested = "FakeExecutionProvider"
    providers_used = ("FakeExecutionProvider",)

    def __init__(self, arm):
        with open(arm["artifact"], encoding="utf-8") as stream:
            self._artifact = json.load(stream)
        self._options = arm["runtime"]
        if self._options.get("fail"):
            raise Verdict(self._options["fail"], "the fake backend was told to fail")
        self.outputs = [(name, "float32", shape) for name, shape in self._artifact["outputs"]]

    def bind(self, feed):
        digest = sum(int(numpy.frombuffer(numpy.ascontiguousarray(v).tobytes(), "uint8").sum()) for v in feed.values())
        random = numpy.random.RandomState(digest % 2**32)
        values = [random.rand(*shape).astype("float32") for _, _, shape in self.outputs]
        return lambda: values

    def simulate(self, slot, protocol):
        """Return times in nanoseconds as a quiet machine would give them: (load, cold, samples)."""
        seed = numpy.frombuffer("{}/{}".format(self._artifact["seed"], slot).encode(), "uint8")
        random = numpy.random.RandomState(seed.astype("uint32"))
        median_ns = self._artifact["latency_ms"] * 1e6 * (1 + 0.002 * random.standard_normal())
        noise = self._options.get("noise", 0.01)
        samples = median_ns * numpy.exp(noise * random.standard_normal(protocol["min_samples"]))
        return int(median_ns * 20), int(median_ns * 5), samples.astype("int64")

    def definition(self):
        return {
            "boundary": "simulated",
            "host_device_transfers": "none",
            "graph_capture": False,
            "spin_wait": False,
            "threads": self._options.get("threads", 1),
        }


_BACKENDS = {backend.name: backend for backend in (OnnxRuntime, Fake)}


def open_backend(arm):
    """Return the backend of an arm with its artifact loaded; Verdict or NoVerdict when that cannot be."""
    try:
        backend = _BACKENDS[arm["backend"]]
    except KeyError:
        raise NoVerdict("unknown_backend", "this agent has no backend {!r}".format(arm["backend"])) from None
    return backend(arm)


def classify_load_error(message):
    """Return the verdict kind that a runtime's message at load time stands for."""
    text = message.lower()
    if "not_implemented" in text or "is not a registered function" in text or "unsupported" in text:
        return "unsupported_operator"
    if "bad_alloc" in text or "out of memory" in text or "failed to allocate" in text:
        return "out_of_memory"
    return "load_failed"


def _describe(value):
    return value.name, _ONNX_DTYPES.get(value.type, value.type), list(value.shape)
