"""An example of a program that the preset `command` measures: ONNX Runtime, timed by itself."""

import json
import os
import sys
import time

import numpy
import onnxruntime

session = onnxruntime.InferenceSession(os.environ["EDGEENV_MODEL_PATH"], providers=["CPUExecutionProvider"])
names = [item.name for item in session.get_outputs()]
with numpy.load(os.environ["EDGEPROOF_INPUTS"]) as file:
    columns = {key[len("inputs/") :]: file[key] for key in file.files if key.startswith("inputs/")}
feed = lambda row: {name: column[row : row + 1] for name, column in columns.items()}  # noqa: E731
print(json.dumps({"ready": True, "version": onnxruntime.__version__}), flush=True)
for line in sys.stdin:
    asked, times = json.loads(line), []
    for row in asked.get("block", ()):
        values, start = feed(row), time.perf_counter_ns()
        session.run(names, values)
        times.append(time.perf_counter_ns() - start)
    if "outputs" in asked:
        made = session.run(names, feed(0))
        numpy.savez(asked["outputs"], **{f"outputs/{name}": value for name, value in zip(names, made, strict=True)})
    print(json.dumps({"ns": times} if times else {}), flush=True)
