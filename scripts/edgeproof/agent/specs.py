"""What comes in as JSON (specs) and what goes out (reports): the shapes of the agent's documents.

Every document crosses the boundary of a process; who writes one is named beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Sequence, Tuple, TypedDict, Union

from .placement_specs import Executor, OverlappingPlaced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

# The arrays of one inference, by the name of the input.
Feed = Dict[str, Array]
# One bound inference: no arguments, returns the outputs as the runtime has them.
Call = Callable[[], Any]
# Name, dtype and shape of a tensor; what the file does not say is None.
TensorInfo = Tuple[str, Optional[str], Optional[List[Any]]]


class BetweenCalls(TypedDict):
    """What another process does between two timed calls: milliseconds at work, megabytes that it goes through."""

    busy_ms: float
    sweep_mb: float


class RawInput(TypedDict):
    """What an application has of an input, and the steps from there to what the model takes (`processing`).

    `shape`: without the batch, rows and columns first and channels last where the steps know of them. A step is a name,
    or a name with its value: resize [rows, columns], scale, subtract, divide (a number, or one per channel),
    channels_first.
    """

    dtype: str
    shape: List[int]
    steps: List[Any]


class Processing(TypedDict, total=False):
    """What of a model's processing is inside the timed call, by input and by output.

    Steps after the inference: softmax, sigmoid, argmax, top n.
    """

    before: Dict[str, RawInput]
    after: Dict[str, List[Any]]


class ProcessOptions(TypedDict, total=False):
    """What any arm may say about the process that runs it.

    `interpreter`: the Python that has its runtime (else ours). `verb`: what the process does (else `measure`).
    `injected_slowdown`: share of each call to spin after it, for checks of what a comparison detects;
    `injected_interference`: the same only while another arm takes turns. `alone`: why this arm's process cannot be
    alive together with another's, if its preset knows. `inputs_file`: the arm's own samples, where it is not the
    session's. `processing`: what of the model's is inside the timed call. `variables`: what a program of the
    user's own is told besides, without the prefix EDGEENV_.
    """

    interpreter: Optional[str]
    verb: str
    between_calls: Optional[BetweenCalls]
    injected_slowdown: float
    injected_interference: float
    alone: str
    inputs_file: str
    processing: Processing
    variables: Dict[str, str]


class Arm(ProcessOptions):
    """One artifact in one runtime. `runtime`: the preset's options; `artifact`: a path."""

    backend: str
    artifact: str
    precision: str
    runtime: Dict[str, Any]


class _FullOptions(TypedDict, total=False):
    full_seconds: float


class PlacedArm(OverlappingPlaced, ProcessOptions, _FullOptions):
    """A pipeline as one arm. `inputs`, `outputs`: pairs of the caller's and the pipeline's name of a tensor.

    `full_seconds`: for how long the verb `flow` keeps it full.
    """

    backend: str
    inputs: List[Tuple[str, str]]
    outputs: List[Tuple[str, str]]


class LinksArm(ProcessOptions):
    """The executors of a machine whose hand-overs are to be timed."""

    executors: Dict[str, Executor]
    sizes_mb: List[float]
    samples: int
    simulated: bool


AnyArm = Union[Arm, PlacedArm, LinksArm]
RunnableArm = Union[Arm, PlacedArm]


class _LoadOptions(TypedDict, total=False):
    window_seconds: float


class Load(_LoadOptions):
    """Sustained load: `seconds` at most, in windows of `window_seconds` (10)."""

    seconds: float


class _BlockProtocol(TypedDict, total=False):
    load: Load
    inputs: int
    block_pairs: int
    block_seconds: float
    pair_seconds: float


class Protocol(_BlockProtocol):
    """How long a process warms up and is timed. `max_timer_share`: of a sample's time.

    `inputs`: the timed loop goes through so many samples of the inputs file (16 if left out, all when there are fewer).
    `load`: the process runs until it has settled (see `load`), and `min_samples` are those of a window. `min_samples`
    and `min_seconds` are for whole processes. Pairs of blocks have at most `block_pairs` (40) block
    pairs, blocks of `block_seconds` (0.01) in the faster arm, and fewer block pairs if a pair would otherwise take
    longer than `pair_seconds` (5).
    """

    warmup_runs: int
    warmup_seconds: float
    min_samples: int
    min_seconds: float
    max_timer_share: float


class _InferLimit(TypedDict, total=False):
    limit: Optional[int]


class InferSpec(_InferLimit):
    """`infer` (written by the room that asks for outputs). `limit`: of samples; None or left out for all."""

    arm: RunnableArm
    inputs: str


class ProcessSpec(TypedDict):
    """`measure` (written by a session). `slot`: the number of the process in its session."""

    arm: RunnableArm
    inputs: str
    protocol: Protocol
    slot: int


class LinksSpec(TypedDict):
    """`links` (written by a session)."""

    arm: LinksArm
    slot: int


class _SamplerName(TypedDict):
    name: str


class SamplerOptions(_SamplerName, total=False):
    """One entry of a device's `samplers` (config/schemas/device.schema.json)."""

    required: bool
    interval_ms: int
    boundary: str
    rails: List[str]
    root: str
    command: List[str]
    file: str
    time_column: str
    power_column: str
    marker_column: str
    marker_command: List[str]
    least_clocks: Dict[str, float]


class PowerControlOptions(TypedDict, total=False):
    """A device's `power_control` (config/schemas/device.schema.json)."""

    nvpmodel: int
    jetson_clocks: bool
    governor: str
    root: str
    state: str


class DeviceSpec(TypedDict):
    """What every session knows of its device.

    `lock`: path, None for the machine's own. `board`: text that the board's name must contain, None for any.
    """

    label: str
    lock: Optional[str]
    board: Optional[str]
    timeout_s: float


class ArmsSpec(DeviceSpec):
    """What a session needs to start processes. `timeout_s`: per process, and per answer of a process in a pair."""

    arms: Dict[str, AnyArm]
    inputs: str
    protocol: Protocol


class _PowerOptions(TypedDict, total=False):
    power_control: Optional[PowerControlOptions]


class _TelemetryOptions(_PowerOptions, total=False):
    samplers: List[SamplerOptions]
    idle_seconds: float


class SessionSpec(ArmsSpec, _TelemetryOptions):
    """`session` (written by a room). `order`: arm names, one per process. `samplers`: what watches the device
    meanwhile, and for `idle_seconds` (3) before and after; nothing does if all arms are simulated. `power_control`:
    power mode and clocks to set meanwhile.
    """

    order: List[str]


class RecordSpec(TypedDict):
    """`record` (written by a session)."""

    samplers: List[SamplerOptions]


class SampleSpec(RecordSpec):
    """`sample` (written by a room). `idle_seconds`: how long the samplers watch before and after the command."""

    command: List[str]
    idle_seconds: float


class Budget(TypedDict):
    """When a session of pairs stops at the latest. `seconds`: None for no limit; a pair begun is finished."""

    pairs: int
    seconds: Optional[float]


class _PairsOptions(_PowerOptions, total=False):
    first_pair: int
    ask: bool
    seed: int
    interleaving: Optional[str]
    interleaving_reason: str
    inputs_count: Optional[int]
    samplers: List[SamplerOptions]


class PairsSpec(ArmsSpec, _PairsOptions):
    """`pairs` (written by a room); see `pairs.run_pairs`. The arms are called `left` and `right`."""

    budget: Budget


class LentFile(TypedDict):
    """A file that a program needs: where it is, and its name in the program's folder."""

    artifact: str
    name: str


class ProgramSpec(DeviceSpec):
    """`program` (written by a room that builds on a device). `timeout_s`: of the program. `place`: what stands for the
    program's folder in the words of its command.
    """

    command: List[str]
    place: str
    files: List[LentFile]


class WorkSpec(TypedDict):
    """`work` (written by a session of pairs). The numbers are file descriptors; `parent`: the session's process id."""

    arm: RunnableArm
    inputs: str
    protocol: Protocol
    slot: int
    parent: int
    commands: int
    answers: int


class Reason(TypedDict):
    """Why there is no number. `kind`: see `failures`."""

    kind: str
    message: str


class Runtime(TypedDict):
    """What ran an artifact."""

    name: str
    version: str
    execution_provider_requested: str
    execution_providers_used: List[str]


class Definition(TypedDict):
    """What a backend's "latency" includes. `threads`: as given to the runtime, 0 where it takes all."""

    boundary: str
    host_device_transfers: str
    graph_capture: bool
    spin_wait: bool
    threads: int


class StepTimes(TypedDict):
    """Where the time of a placed pipeline went, medians in nanoseconds: per step, and back to the caller."""

    steps: List[Dict[str, Any]]
    return_ns: int


# The outputs of one inference, in the order of the artifact's.
Outputs = Sequence[Array]
# What a process or a session has to say; written as JSON.
Report = Dict[str, Any]
