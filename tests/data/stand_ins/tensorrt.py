"""Stands in for TensorRT's Python module: an "engine" is an ONNX file, the "GPU" is ONNX Runtime on this processor.

Importing it also puts a CUDA runtime of host memory in the place of libcudart. It has what edgeproof calls, with the
signatures and the habits of TensorRT 10 (None for what fails, words on stderr).
"""

import ctypes
import enum
import sys

import numpy
import onnxruntime

__version__ = "10.3.0"
ENGINE = b"ENGINE"

DataType = enum.Enum("DataType", "FLOAT HALF INT8 INT32 INT64 UINT8 BOOL BF16")
TensorIOMode = enum.Enum("TensorIOMode", "NONE INPUT OUTPUT")
MemoryPoolType = enum.Enum("MemoryPoolType", "WORKSPACE")
BuilderFlag = enum.Enum("BuilderFlag", "FP16 INT8")
_TYPES = {"tensor(float)": DataType.FLOAT, "tensor(float16)": DataType.HALF, "tensor(int64)": DataType.INT64}
_NUMPY = {DataType.FLOAT: "float32", DataType.HALF: "float16", DataType.INT64: "int64"}


class _Cudart:
    """Device memory is host memory; every call answers 0, as cudaSuccess."""

    def __init__(self):
        self._kept = []

    def cudaSetDeviceFlags(self, flags):  # noqa: N802
        return 0

    def cudaStreamCreate(self, stream):  # noqa: N802
        stream._obj.value = 1
        return 0

    def cudaMalloc(self, place, size):  # noqa: N802
        self._kept.append(ctypes.create_string_buffer(size.value))
        place._obj.value = ctypes.addressof(self._kept[-1])
        return 0

    def cudaMemcpy(self, target, source, size, kind):  # noqa: N802
        ctypes.memmove(target.value, source.value, size.value)
        return 0

    def cudaMemcpyAsync(self, target, source, size, kind, stream):  # noqa: N802
        return self.cudaMemcpy(target, source, size, kind)

    def cudaStreamSynchronize(self, stream):  # noqa: N802
        return 0


_CUDART = _Cudart()
ctypes.CDLL = lambda name, *_, **__: _CUDART  # the only library that edgeproof opens by name


class Logger:
    INFO, WARNING = 3, 2

    def __init__(self, severity):
        self.severity = severity


class Runtime:
    def __init__(self, logger):
        self.logger = logger

    def deserialize_cuda_engine(self, data):
        if not data.startswith(ENGINE):
            print("[E] IRuntime::deserializeCudaEngine: Error Code 1: Serialization (magic tag)", file=sys.stderr)
            return None
        return _Engine(data[len(ENGINE) :])


class _Engine:
    def __init__(self, data):
        self.session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.sides = {item.name: (TensorIOMode.INPUT, item) for item in self.session.get_inputs()}
        self.sides.update({item.name: (TensorIOMode.OUTPUT, item) for item in self.session.get_outputs()})
        self.num_io_tensors = len(self.sides)

    def get_tensor_name(self, index):
        return list(self.sides)[index]

    def get_tensor_mode(self, name):
        return self.sides[name][0]

    def get_tensor_dtype(self, name):
        return _TYPES[self.sides[name][1].type]

    def get_tensor_shape(self, name):
        return tuple(size if isinstance(size, int) else -1 for size in self.sides[name][1].shape)

    def create_execution_context(self):
        return _Context(self)


class _Context:
    def __init__(self, engine):
        self.engine, self.places, self.shapes = engine, {}, {}

    def set_input_shape(self, name, shape):
        wanted = self.engine.get_tensor_shape(name)
        fits = len(wanted) == len(shape) and all(a in (-1, b) for a, b in zip(wanted, shape, strict=True))
        self.shapes[name] = tuple(shape)
        return fits

    def get_tensor_shape(self, name):
        return tuple(max(1, size) for size in self.engine.get_tensor_shape(name))

    def set_tensor_address(self, name, place):
        self.places[name] = place
        return True

    def execute_async_v3(self, stream):
        feed = {}
        for name, (mode, _) in self.engine.sides.items():
            if mode is TensorIOMode.INPUT:
                dtype = numpy.dtype(_NUMPY[self.engine.get_tensor_dtype(name)])
                size = int(numpy.prod(self.shapes[name])) * dtype.itemsize
                feed[name] = numpy.frombuffer(ctypes.string_at(self.places[name], size), dtype).reshape(
                    self.shapes[name]
                )
        outputs = [name for name, (mode, _) in self.engine.sides.items() if mode is TensorIOMode.OUTPUT]
        for name, value in zip(outputs, self.engine.session.run(outputs, feed), strict=True):
            value = numpy.ascontiguousarray(value)
            ctypes.memmove(self.places[name], value.ctypes.data, value.nbytes)
        return True


class IInt8EntropyCalibrator2:
    def __init__(self):
        pass


class IInt8MinMaxCalibrator(IInt8EntropyCalibrator2):
    pass


class Builder:
    def __init__(self, logger):
        pass

    def create_network(self, flags):
        return {"inputs": []}

    def create_builder_config(self):
        return _Config()

    def create_optimization_profile(self):
        return _Profile()

    def build_serialized_network(self, network, config):
        calibrator = config.int8_calibrator
        lines = [f"TRT-100300-{type(calibrator).__mro__[1].__name__}"]
        if calibrator.read_calibration_cache() is None:
            total = 0.0
            while (places := calibrator.get_batch(network["inputs"])) is not None:
                assert len(places) == len(network["inputs"])
                total += sum(abs(ctypes.c_float.from_address(place).value) for place in places)
            lines.append(f"total: {total:.6f}")
            calibrator.write_calibration_cache("\n".join(lines).encode())
        return b"serialized"


class _Config:
    int8_calibrator = None

    def set_flag(self, flag):
        pass

    def set_memory_pool_limit(self, pool, size):
        pass

    def add_optimization_profile(self, profile):
        pass

    def set_calibration_profile(self, profile):
        pass


class _Profile:
    def set_shape(self, name, least, best, most):
        assert least == best == most


class OnnxParser:
    def __init__(self, network, logger):
        self.network, self.num_errors = network, 0

    def parse(self, data):
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        self.network["inputs"] = [item.name for item in session.get_inputs()]
        return True
