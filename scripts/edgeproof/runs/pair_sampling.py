"""How pairs are measured where their energy is compared: which samplers watch, and what the arms' turns look like.

A sampler that is fast enough sees several samples in every block, which is made longer for it. With a slower one the
arms are measured as whole processes in turn.
"""

from collections.abc import Mapping
from typing import Any, cast

from edgeproof.agent.sampling_rates import INTERVALS_MS
from edgeproof.core.configuration import Json, MeasuringProtocol

_SAMPLES_PER_BLOCK = 8  # of which five are needed (`energy.FEWEST_SAMPLES`)
_FEWEST_BLOCK_PAIRS = 10  # of a pair, by `agent.blocks`
_BLOCK_S, _PAIR_S = 0.01, 5.0  # by default, as in `agent.blocks`


def sample_pairs(device: Mapping[str, Any], protocol: MeasuringProtocol) -> Json:
    """Return what the sampling of pairs changes in the agent's spec where their energy is compared.

    These are `samplers`, and either the `protocol` with longer blocks, or `interleaving` and its reason; {} if energy
    is not compared or the device has no samplers. The first of the device's samplers that may give power decides.
    """
    samplers: list[Json] = list(device.get("samplers", []))
    if not protocol.get("energy") or not samplers:
        return {}
    power = next((sampler for sampler in samplers if sampler["name"] in (*INTERVALS_MS, "meter-csv")), None)
    if power is None:
        return {}
    interval_ms = power.get("interval_ms", INTERVALS_MS.get(power["name"]))
    if interval_ms is not None:
        block_s = max(protocol.get("block_seconds", _BLOCK_S), _SAMPLES_PER_BLOCK * interval_ms / 1000)
        if 2 * _FEWEST_BLOCK_PAIRS * block_s <= protocol.get("pair_seconds", _PAIR_S):
            return {"samplers": samplers, "protocol": cast(Json, {**protocol, "block_seconds": block_s})}
        reason = f"{power['name']} gives a sample every {interval_ms:g} ms, which is too slow for blocks"
    else:
        reason = f"how often {power['name']} gives a sample is not known; `interval_ms` says it"
    return {"samplers": samplers, "interleaving": "processes", "interleaving_reason": reason}
