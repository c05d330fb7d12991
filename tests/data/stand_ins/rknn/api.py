"""Stands in for rknn-toolkit2: "converts" by copying the ONNX file, and says what the toolkit is known to say.

RKNN_REPLAY names the log to replay at `build`; RKNN_RESULT: ok, refused (a step returns -1) or nothing (no file).
"""

import os
import shutil
from pathlib import Path


class RKNN:
    def __init__(self, verbose=False):
        print("I rknn-toolkit2 version: 2.3.2")

    def config(self, target_platform, optimization_level, quantized_algorithm="normal"):
        assert quantized_algorithm in ("normal", "mmse", "kl_divergence")
        return 0

    def load_onnx(self, model, inputs=None, input_size_list=None):
        print(f"I load_onnx: inputs {inputs}, sizes {input_size_list}")
        self.model = model
        return 0

    def build(self, do_quantization, dataset=None):
        if do_quantization:
            lines = Path(dataset).read_text().splitlines()
            assert all(Path(file).is_file() for line in lines for file in line.split())
            print(f"I calibrated with {len(lines)} samples")
        print(Path(os.environ["RKNN_REPLAY"]).read_text())
        return -1 if os.environ.get("RKNN_RESULT") == "refused" else 0

    def export_rknn(self, path):
        if os.environ.get("RKNN_RESULT") != "nothing":
            shutil.copyfile(self.model, path)
        return 0

    def release(self):
        pass
