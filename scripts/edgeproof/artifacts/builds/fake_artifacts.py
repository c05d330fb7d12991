"""Artifacts of the fake backend: a description of what the agent simulates, instead of a model."""

import json
import math
import random
from pathlib import Path

from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write

from .build_job import BuildJob
from .build_steps import carry_out_build, check_before_build

FAKE_SPEED = {"fp32": 1.0, "fp16": 0.7, "int8": 0.5, "int8-dynamic": 0.6}  # latency of the fake backend, fp32 = 1


def build_fake(job: BuildJob) -> None:
    """Write a fake artifact, the JSON that the agent's fake backend runs, and its manifest; errors as in `build_onnx`.

    Times and outputs are simulated. With `latency_spread` each build draws its latency, as TensorRT draws its kernels.
    Only the names and shapes of the outputs are the model's, with 1 for named sizes.
    """
    known, options = check_before_build(job, "json")
    seed = "/".join((known["sha256"], job.cell["model"], job.cell["preset"], job.cell["builder"], job.precision))
    drawn = random.Random(seed).gauss(0, options.get("latency_spread", 0))

    def convert(target: Path, _: Path) -> Json:
        outputs = [
            {"name": item["name"], "dtype": "float32", "shape": [n if isinstance(n, int) else 1 for n in item["shape"]]}
            for item in known["outputs"]
        ]
        content = {
            "seed": f"{known['sha256']}/{job.precision}",
            "latency_ms": round(options["latency_ms"] * FAKE_SPEED[job.precision] * math.exp(drawn), 9),
            "outputs": [[item["name"], item["shape"]] for item in outputs],
        }
        atomic_write(target, json.dumps(content, indent=2) + "\n")
        proof = {
            "claimed": job.precision,
            "basis": "simulated",
            "share": None,
            "weights": {},
            "values": {},
            "operators": {},
        }
        return {"opset": None, "inputs": known["inputs"], "outputs": outputs, "precision": proof, "warnings": []}

    carry_out_build(job, known, convert, {"toolchain": list_package_versions(())})
