"""What a crew of processes needs to know to run the stages of a pipeline, each on its executor."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, TypedDict


class Executor(TypedDict, total=False):
    """One executor of a pipeline. `interpreter`: None for ours."""

    interpreter: Optional[str]
    channels_last: bool


class Tensor(TypedDict):
    """A tensor in the memory that the processes of a placement share."""

    dtype: str
    shape: List[int]


class EchoArm(TypedDict):
    """The arm of a stage that computes nothing (`serving.Echo`); `busy_ms` 0: it does nothing meanwhile, either."""

    backend: str
    shape: List[int]
    channels_last: bool
    busy_ms: float
    sweep_mb: float


class Step(TypedDict):
    """One stage of a placement. `inputs`, `outputs`: pairs of the artifact's and the pipeline's name of a tensor."""

    name: str
    executor: str
    arm: Any  # Arm or EchoArm
    inputs: List[Tuple[str, str]]
    outputs: List[Tuple[str, str]]


class Placed(TypedDict):
    """What a crew of processes needs to know. `tensors`: those that cross between processes."""

    executors: Dict[str, Executor]
    tensors: Dict[str, Tensor]
    steps: List[Step]


class Overlap(TypedDict):
    """How the executors of a placement work side by side (`flow.Flow`).

    `depth`: how many inputs a tensor is kept for. `in_order`: an executor runs its steps in the order of the plan;
    else the oldest input comes first. `taken`: the tensors that the caller takes.
    """

    depth: int
    in_order: bool
    taken: List[str]


class OverlappingPlaced(Placed, total=False):
    """A placement that may have executors work side by side; without `overlap` one of them has the turn."""

    overlap: Overlap


class ServeSpec(OverlappingPlaced):
    """One process of a placement (written by `handover.Crew`). The numbers are file descriptors."""

    executor: str
    area: int
    report: str
    turn: int
    others: Dict[str, int]
