"""How large the numbers of a scenario may be, one table by key, so that sums of costs fit into 64 bits."""

LARGEST = 4e6  # of one step, in ms, mJ, MB or mW
LARGEST_SUM = 1000 * LARGEST  # of a plan: in units of 1e-9 it fits into 64 bits

_PROFILE = "leave the profile out"
_DEVICE = "leave out a device that must not be used"
_LINK = "leave out a link that must not be used"
_SIZE = "in MB it is less"

# Costs of one step below LARGEST, with the remedy for a larger one.
STEPS = {
    "latency_ms": _PROFILE,
    "energy_mj": _PROFILE,
    "memory_mb": _PROFILE,
    "weights_mb": _PROFILE,
    "activations_mb": _PROFILE,
    "accuracy_drop": _PROFILE,
    "entry_ms": _DEVICE,
    "idle_mw": _DEVICE,
    "latency_factor": _DEVICE,
    "energy_factor": _DEVICE,
    "setup_ms": _LINK,
    "setup_mj": _LINK,
    "output_mb": _SIZE,
    "input_mb": _SIZE,
}
# Prices per MB: what a crossing costs with them is below LARGEST, which `Problem` checks.
RATES = ("latency_ms_per_mb", "energy_mj_per_mb")
# Limits: one beyond all sums allows everything.
LIMITS = (
    "devices.memory_mb",
    "deadline_ms",
    "max_total_latency_ms",
    "max_total_energy_mj",
    "max_accuracy_drop",
    "max_period_ms",
)
# Numbers that enter no sum: a label, shares, and seconds at which a curve is read.
SUMLESS = ("batch", "confidence", "factor", "stage_error", "sustained_s", "after_s")


def find_remedy(key: str, name: str) -> str | None:
    """Return the remedy for a number beyond the bounds of a scenario (LARGEST); None where it may be that large.

    `key`: where the number stands, `name`: the last name in it.
    """
    holder = key.partition("[")[0]
    return None if f"{holder}.{name}" in LIMITS else STEPS.get(name)


def describe_excess(where: str, value: float, remedy: str) -> str:
    """Return the message about a cost in a scenario that is beyond its bounds, too large for one step."""
    return f"{where} is {value:g}; plans count up to {LARGEST:g} per step (ms, mJ, MB, mW), {remedy}"
