"""Which rails of a Jetson make up its total, by their names. Boards without one rail for it have a sum."""

from __future__ import annotations

from typing import Iterable, List, NamedTuple, Optional


class Total(NamedTuple):
    """The rails whose sum is the total. `kind`: measured (one rail), derived (their sum), or partial (parts lack)."""

    rails: List[str]
    kind: str


# In this order: what one rail measures comes before what must be added up. Sums follow the module design guides of AGX
# Xavier and AGX Orin; whether VDDQ_VDD2_1V8AO is part of VIN_SYS_5V0 on AGX Orin is unsettled, and it is left out.
_TOTALS = (
    Total(["VDD_IN"], "measured"),
    Total(["POM_5V_IN"], "measured"),
    Total(["VIN"], "measured"),
    Total(["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"], "derived"),
    Total(["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"], "derived"),
    Total(["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"], "partial"),
)


def find_total(names: Iterable[str]) -> Optional[Total]:
    """Return which rails make up the total of a Jetson with rails of these names; None where nobody has told us."""
    known = set(names)
    return next((total for total in _TOTALS if known.issuperset(total.rails)), None)
