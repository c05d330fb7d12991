"""What of a protocol and of a device decides the raw times: the parts of them that enter the keys of attempts."""

from collections.abc import Mapping
from typing import Any

from edgeproof.core.configuration import LINK_KEYS, Json, MeasuringProtocol

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
)


def timing_of(protocol: MeasuringProtocol) -> Json:
    """Return what of a protocol decides how the processes of a pair are timed."""
    return {key: value for key, value in protocol.items() if key in _TIMING}


def device_of(device: Mapping[str, Any]) -> Json:
    """Return what of a device decides its times. How the agent gets there does not: a board measures the same whether
    it is asked from its own shell or over ssh.
    """
    left_out = ("lock", "timeout_s", "transport", *LINK_KEYS)
    return {name: value for name, value in device.items() if name not in left_out}
