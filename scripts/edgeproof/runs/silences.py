"""Time in which a sampler said nothing: what it may hide is an error, and where it is long nothing was measured.

Time between two samples counts as seen if they are not much further apart than usual. What comes before the first
sample and after the last is not seen, however alike the samples are.
"""

import numpy as np
import numpy.typing as npt

GAP = 2.5  # times the usual interval
LONGEST_SILENCE = 0.10  # share of a stretch; with more its energy is not measured
LONGEST_WITHOUT_POWER = 0.5  # what changes as slowly as a temperature may be seen less
_NEIGHBOURS = 4  # samples to either side of a stretch, at least, so that short stretches know the usual interval
_USUAL = 0.25  # quantile of intervals: a few bursts and a few gaps do not change it

Times = npt.NDArray[np.int64]


def find_usual_interval(times_ns: Times) -> float:
    """Return the usual time between two samples in ns, by which silences are found; 0 for less than two."""
    return float(np.quantile(np.diff(times_ns), _USUAL)) if len(times_ns) > 1 else 0.0


def measure_silence(times_ns: Times, start_ns: int, stop_ns: int) -> float:
    """Return the seconds of a stretch that no two neighbouring samples enclose.

    `times_ns`: rising; those beside the stretch count, since they say that the sampler ran at its ends.
    """
    near = times_ns[cut_near(times_ns, start_ns, stop_ns)]
    seen = np.diff(near) <= GAP * find_usual_interval(near)
    overlaps = np.minimum(near[1:], stop_ns) - np.maximum(near[:-1], start_ns)
    return (stop_ns - start_ns - int(np.maximum(overlaps, 0)[seen].sum())) / 1e9


def cut_near(times_ns: Times, start_ns: int, stop_ns: int) -> slice:
    """Return which samples tell of silence in a stretch: its own, and some on both sides, as far as it is long."""
    far = stop_ns - start_ns
    first, begin, end, last = np.searchsorted(times_ns, (start_ns - far, start_ns, stop_ns, stop_ns + far)).tolist()
    return slice(max(0, min(first, begin - _NEIGHBOURS)), max(last, end + _NEIGHBOURS))


def describe_silence(silence_s: float, seconds: float, longest: float = LONGEST_SILENCE) -> str | None:
    """Return why a stretch with so much silence is not measured; None if it is. `longest`: share of it that may be."""
    if silence_s <= longest * seconds:
        return None
    return f"it was silent for {silence_s:.3g} s of {seconds:.3g} s, and at most {longest:.0%} may be"
