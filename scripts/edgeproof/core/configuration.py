"""Types of the configuration files. Each file is checked against its schema when it is read.

The schemas in `config/schemas/` say which values are allowed; these types list the keys, so that the type checker finds
a misspelt key.
"""

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

Json = dict[str, Any]  # a document whose schema is checked when it is read
Catalogues = Mapping[str, Mapping[str, Json]]  # {kind: {name: document}}, as from `catalogues.read_catalogue`


class Model(TypedDict):
    """`config/models/{model}.yaml`; which keys `source` and `samples` have depends on their `kind`.

    `kept`: of a stored artifact that stands for a model: {preset, builder, precision, artifact, sha256, manifest}.
    """

    description: str
    source: Json
    task: Any  # see core.tasks
    samples: Json
    input_shapes: NotRequired[dict[str, list[int]]]
    whole_inputs: NotRequired[list[str]]
    supplied: NotRequired[dict[str, Json]]
    declared_accuracies: NotRequired[list[Json]]
    processing: NotRequired[Json]
    kept: NotRequired[Json]


class Preset(TypedDict):
    """`config/presets/{preset}.yaml`: `build` and `runtime` hold options, `parity` the limits of each precision."""

    description: str
    backend: str
    artifact: str
    built: str
    precisions: list[str]
    build: Json
    runtime: Json
    parity: dict[str, dict[str, float]]
    toolchain: NotRequired[str]
    runtime_toolchain: NotRequired[str]
    include: NotRequired[list[str]]
    builds: NotRequired[int]


# How a device behind ssh is reached. It decides no result, so it is in no key.
LINK_KEYS = ("host", "user", "port", "jump", "identity", "known_hosts", "folder")


class Device(TypedDict):
    """`config/devices/{device}.yaml`. `timeout_s`, `idle_seconds` in seconds; `samplers`: what the agent's samplers are
    told, one entry each; from `host` on, what ssh needs to know.
    """

    description: NotRequired[str]
    board: str
    transport: str
    board_contains: NotRequired[str | None]
    interpreter: NotRequired[str | None]
    lock: NotRequired[str | None]
    timeout_s: NotRequired[int]
    tags: NotRequired[list[str]]
    samplers: NotRequired[list[dict[str, Any]]]
    power_control: NotRequired[dict[str, Any]]
    idle_seconds: NotRequired[float]
    host: NotRequired[str]
    user: NotRequired[str]
    port: NotRequired[int]
    jump: NotRequired[str]
    identity: NotRequired[str]
    known_hosts: NotRequired[str]
    folder: NotRequired[str]


class NamedDevice(Device):
    """A device as measuring jobs get it: its configuration with its name."""

    name: str


class MeasuringProtocol(TypedDict):
    """`config/protocols/{protocol}.yaml`; seconds and counts, `max_timer_share` as a fraction."""

    description: NotRequired[str]
    name: NotRequired[str]
    processes: int
    warmup_runs: int
    warmup_seconds: float
    min_samples: int
    min_seconds: float
    max_timer_share: float
    pairs: NotRequired[int]
    seconds: NotRequired[float]
    inputs: NotRequired[int]
    block_pairs: NotRequired[int]
    block_seconds: NotRequired[float]
    pair_seconds: NotRequired[float]
    sessions: NotRequired[int]
    width: NotRequired[float]
    load: NotRequired[dict[str, float]]
    energy: NotRequired[bool]


class Arm(TypedDict):
    """What the agent runs: `runtime` holds the preset's runtime options, `artifact` the path of the file.

    `inputs_file`: the samples file of this arm in a session whose arms have their own. `variables`, `program`:
    what a command of the user's own is told of its cell, and the digests of the files that it names.
    """

    backend: str
    precision: str
    runtime: Json
    artifact: NotRequired[str]
    inputs_file: NotRequired[str]
    variables: NotRequired[dict[str, str]]
    program: NotRequired[dict[str, str]]
    interpreter: NotRequired[str]
    between_calls: NotRequired[Json]
    processing: NotRequired[Json]
