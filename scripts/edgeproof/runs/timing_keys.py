"""What of a protocol and of a device decides the raw data: the part of them that enters the keys of attempts."""

from edgeproof.core.configuration import LINK_KEYS, Json, MeasuringProtocol

# What of a device decides no raw data: a board measures the same whether it is asked from its own shell or over ssh.
UNRELATED = ("lock", "timeout_s", "transport", *LINK_KEYS)
_SAMPLING = ("samplers", "idle_seconds")
# What of a protocol decides how a pair is timed; how many there are does not.
_TIMING = (
    "warmup_runs",
    "warmup_seconds",
    "min_samples",
    "min_seconds",
    "max_timer_share",
    "inputs",
    "block_pairs",
    "block_seconds",
    "pair_seconds",
    "load",
    "energy",
)


def timing_of(protocol: MeasuringProtocol) -> Json:
    """Return what of a protocol enters keys because it decides the timing of a pair's processes."""
    return {key: value for key, value in protocol.items() if key in _TIMING}


def list_unrelated(protocol: Json | MeasuringProtocol) -> tuple[str, ...]:
    """Return the keys of a device that decide nothing of the timing of its pairs.

    Samplers watch the pairs if their energy is compared.
    """
    return (*UNRELATED, "idle_seconds") if protocol.get("energy") else (*UNRELATED, *_SAMPLING)
