"""Calibration cache for an int8 engine, made by TensorRT (8.5 to 10) from our calibration set; Python 3.8 or newer.

trtexec can read such a cache, but would calibrate with random numbers itself. CUDA is called through ctypes, since a
Jetson has its library but seldom a Python package for it.
"""

import contextlib
import ctypes
import ctypes.util
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import tensorrt

from .protocol import ConversionError, answer_by_protocol, call_tool

_LIBRARIES = ("libcudart.so", "libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0")
_TO_DEVICE = 1  # cudaMemcpyHostToDevice


def convert(spec: "dict[str, Any]", out: Path) -> "dict[str, Any]":
    """Calibrate for an int8 engine of TensorRT: write `calibration.cache` for the ONNX file `spec["model"]`.

    `spec`: calibration (npz, and how many of its samples to use), method (entropy or minmax), workspace_mb, and shapes
    of inputs whose batch is open.
    """
    logger = tensorrt.Logger(tensorrt.Logger.INFO)
    builder = tensorrt.Builder(logger)
    major = int(tensorrt.__version__.split(".")[0])
    flags = 0 if major >= 10 else 1 << int(tensorrt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)
    network = builder.create_network(flags)
    _parse_model(network, logger, spec["model"])
    config = builder.create_builder_config()
    config.set_memory_pool_limit(tensorrt.MemoryPoolType.WORKSPACE, spec["workspace_mb"] << 20)
    config.set_flag(tensorrt.BuilderFlag.INT8)
    if spec["shapes"]:
        profile = builder.create_optimization_profile()
        for name, shape in spec["shapes"].items():
            profile.set_shape(name, shape, shape, shape)
        config.add_optimization_profile(profile)
        config.set_calibration_profile(profile)
    with _open_samples(spec["calibration"]["path"], spec["calibration"]["samples"]) as samples:
        calibrator = _make_calibrator(spec["method"], samples, Memory())
        config.int8_calibrator = calibrator
        made = call_tool("TensorRT", lambda: builder.build_serialized_network(network, config))
    if made is None or not calibrator.cache:
        raise ConversionError("conversion_failed", "TensorRT: calibrated nothing; see its log")
    (out / "calibration.cache").write_bytes(calibrator.cache)
    return {"artifact": "calibration.cache", "version": tensorrt.__version__, "samples": calibrator.count}


def _parse_model(network: Any, logger: Any, path: "str | Path") -> None:
    """Read an ONNX file into a network; ConversionError with the parser's messages if it cannot."""
    parser = tensorrt.OnnxParser(network, logger)
    with open(path, "rb") as stream:
        if not parser.parse(stream.read()):
            said = [str(parser.get_error(index).desc()) for index in range(parser.num_errors)]
            raise ConversionError("conversion_failed", "TensorRT: " + ("; ".join(said) or "cannot parse the model"))


@contextlib.contextmanager
def _open_samples(path: "str | Path", count: int) -> "Iterator[Iterator[dict[str, Any]]]":
    """Yield an iterator over the first `count` samples of a calibration set, as `{input: array (1, ...)}`."""
    with zipfile.ZipFile(path) as archive, contextlib.ExitStack() as stack:
        columns = {}
        for member in archive.namelist():
            stream = stack.enter_context(archive.open(member))
            version = numpy.lib.format.read_magic(stream)
            read = (
                numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
            )
            shape, _, dtype = read(stream)
            columns[member[len("inputs/") : -len(".npy")]] = (stream, (1, *shape[1:]), dtype)

        def draw():
            for _ in range(count):
                yield {
                    name: numpy.frombuffer(stream.read(dtype.itemsize * int(numpy.prod(shape))), dtype).reshape(shape)
                    for name, (stream, shape, dtype) in columns.items()
                }

        yield draw()


def _make_calibrator(method: str, samples: "Iterator[dict[str, Any]]", memory: Any) -> Any:
    """Return TensorRT's calibrator over the samples. It counts them and keeps the cache that TensorRT makes."""
    base = tensorrt.IInt8EntropyCalibrator2 if method == "entropy" else tensorrt.IInt8MinMaxCalibrator

    class Calibrator(base):
        def __init__(self):
            base.__init__(self)
            self.cache, self.count = None, 0

        def get_batch_size(self):
            return 1

        def get_batch(self, names, *_):
            sample = next(samples, None)
            if sample is None:
                return None
            self.count += 1
            return [memory.put(name, sample[name]) for name in names]

        def read_calibration_cache(self, *_):
            return None

        def write_calibration_cache(self, cache, *_):
            self.cache = bytes(cache)

    return Calibrator()


class Memory:
    """Arrays on the GPU, one buffer per name."""

    def __init__(self) -> None:
        self._library, self._places = _load_cudart(), {}

    def put(self, name: str, array: Any) -> int:
        """Copy an array to the GPU and return its address there."""
        array = numpy.ascontiguousarray(array)
        if name not in self._places:
            place = ctypes.c_void_p()
            self._check("cudaMalloc", self._library.cudaMalloc(ctypes.byref(place), ctypes.c_size_t(array.nbytes)))
            self._places[name] = place
        place, source = self._places[name], ctypes.c_void_p(array.ctypes.data)
        size = ctypes.c_size_t(array.nbytes)
        self._check("cudaMemcpy", self._library.cudaMemcpy(place, source, size, ctypes.c_int(_TO_DEVICE)))
        return place.value

    def _check(self, call, code):
        if code:
            raise RuntimeError(f"{call} returned {code}")


def _load_cudart() -> Any:
    """Return CUDA's runtime library; OSError if there is none."""
    for name in filter(None, (ctypes.util.find_library("cudart"), *_LIBRARIES)):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    return ctypes.CDLL("/usr/local/cuda/lib64/libcudart.so")


if __name__ == "__main__":
    answer_by_protocol(convert)
