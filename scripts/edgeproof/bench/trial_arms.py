"""The models on which benchmarks try the method: artifacts of the demo campaign's sources, in ONNX Runtime."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Arm, Json, MeasuringProtocol, NamedDevice
from edgeproof.core.yaml_files import read_yaml

THREADS = {"digits-cnn": 1, "squeezenet": 2}
HERE: NamedDevice = {"name": "local", "board": "this machine", "transport": "local"}


@dataclass(frozen=True)
class TrialSetting:
    """Where and how a benchmark measures pairs: its plan, {model: arm}, and the folder of the attempts."""

    arms: "dict[str, TrialArm]"
    protocol: MeasuringProtocol
    plan: Json
    device: NamedDevice
    interpreter: str
    folder: Path


def read_trial_protocol() -> MeasuringProtocol:
    """Return the protocol under which benchmarks measure pairs of trial arms, `quick`.

    Paths start from the repository.
    """
    protocol: Any = read_yaml("config/protocols/quick.yaml", "protocol")
    return protocol


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


def describe_arm(model: str, threads: int | None = None) -> TrialArm:
    """Return the trial arm of a model, with so many threads or those of `THREADS`; paths start from the repository."""
    options = {"intra_op_threads": threads or THREADS[model]}
    arm: Any = {"backend": "onnxruntime", "precision": "fp32", "runtime": options}
    artifact = Path(f"results/artifacts/{model}/ort-cpu/host/fp32/artifact.onnx")
    return TrialArm(arm, artifact, Path(f"results/sources/{model}/samples/evaluation.npz"))
