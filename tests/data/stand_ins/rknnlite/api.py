"""Stands in for rknnlite: the "NPU" is ONNX Runtime on this processor; images come in with their channels last."""

import numpy
import onnxruntime


class RKNNLite:
    NPU_CORE_AUTO, NPU_CORE_0, NPU_CORE_1, NPU_CORE_2, NPU_CORE_0_1_2 = 0, 1, 2, 4, 7

    def load_rknn(self, path):
        try:
            self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:
            print(f"E load_rknn: {error}")
            return -1
        return 0

    def init_runtime(self, core_mask=0):
        return 0

    def get_sdk_version(self):
        return "API version: 2.3.2\nDRV version: 0.9.8\n"

    def inference(self, inputs):
        ready = [numpy.transpose(value, (0, 3, 1, 2)) if value.ndim == 4 else value for value in inputs]
        names = [item.name for item in self._session.get_inputs()]
        return self._session.run(None, dict(zip(names, ready, strict=True)))
