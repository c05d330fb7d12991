"""The models on which benchmarks try the method: artifacts of the demo campaign's sources, in ONNX Runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Arm

THREADS = {"digits-cnn": 1, "squeezenet": 2}


@dataclass(frozen=True)
class TrialArm:
    """What is compared with itself."""

    arm: Arm
    artifact: Path
    inputs: Path

    @property
    def located(self) -> Arm:
        """The arm with the path of its artifact, as the agent takes it."""
        located: Any = {**self.arm, "artifact": str(self.artifact)}
        return located


def describe_arm(model: str) -> TrialArm:
    """Return the arm of a model; paths start from the repository."""
    arm: Any = {"backend": "onnxruntime", "precision": "fp32", "runtime": {"intra_op_threads": THREADS[model]}}
    artifact = Path(f"results/artifacts/{model}/ort-cpu/host/fp32/artifact.onnx")
    return TrialArm(arm, artifact, Path(f"results/sources/{model}/samples/evaluation.npz"))
