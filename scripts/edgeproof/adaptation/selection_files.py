"""From `config/selection/{policy}.yaml` and `config/traces/{trace}.yaml` to what the runtime and the replay take."""

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.selection import Balanced, BasePolicy, MaximizeAccuracy, MinimizePower
from edgeproof.runtime.stability import StabilityGuard
from edgeproof.runtime.variant_choice import Chooser
from edgeproof.runtime.variants import ModelFamily

from .trace_replay import Conditions


def build_chooser(family: ModelFamily, document: Json, mode: str, where: str) -> Chooser:
    """Return a new chooser for a family, by a file `config/selection/{policy}.yaml` (`document`).

    `mode`: `fixed` or `seed`. `where`: the document's file, for the UserError about a value in it.
    """
    guard = document.get("guard", {})
    limits, heat, battery = (document.get("limits", {}), *_read_levels(document.get("limits", {})))
    try:
        return Chooser(
            family,
            _build_policy(document),
            StabilityGuard(
                hysteresis=guard.get("hysteresis", 0.05),
                cooldown_sec=guard.get("cooldown_s", 30.0),
                max_swaps_per_window=guard.get("max_swaps_per_window", 4),
                swap_window_sec=guard.get("swap_window_s", 60.0),
                mode=mode,
            ),
            Limits(
                ram_reserve_mb=limits.get("ram_reserve_mb", 64.0),
                heat_above_c=heat.get("above_c"),
                heat_power=heat.get("power", "low"),
                battery_below_pct=battery.get("below_pct"),
                battery_power=battery.get("power", "low"),
            ),
        )
    except ValueError as error:
        raise UserError(f"{where}: {error}") from error


def read_conditions(document: Json, family: ModelFamily, where: str) -> Conditions:
    """Return what a file `config/traces/{trace}.yaml` declares: the conditions under which a selection is replayed.

    UserError for an unknown variant.
    """
    faults = document.get("faults", [])
    named = [
        *filter(None, [document.get("initial")]),
        *document.get("load_s", {}),
        *(item["variant"] for item in faults),
    ]
    for name in named:
        if name not in family.variants:
            raise UserError(f"{where}: {name!r} is no variant; the family has {', '.join(family.variants)}")
    return Conditions(
        initial=document.get("initial"),
        load_s=document.get("load_s", {}),
        faults={(item["variant"], item["load"]): item["outcome"] for item in faults},
        load_timeout_s=document.get("load_timeout_s", 60.0),
        requests_per_s=document.get("requests_per_s", 0.0),
        processors=document.get("processors", 1),
    )


def _read_levels(limits: Json) -> tuple[Json, Json]:
    return limits.get("heat", {}), limits.get("battery", {})


def _build_policy(document: Json) -> BasePolicy:
    ceiling = document.get("latency_ceiling_ms")
    if document["policy"] == "maximize-accuracy":
        return MaximizeAccuracy(latency_ceiling_ms=ceiling)
    if document["policy"] == "minimize-power":
        return MinimizePower(min_accuracy_floor=document.get("min_accuracy_floor", 0.5))
    weights = document.get("weights", {})
    return Balanced(
        latency_ceiling_ms=document["latency_ceiling_ms"],
        w_acc=weights.get("accuracy", 0.5),
        w_lat=weights.get("latency", 0.3),
        w_pwr=weights.get("power", 0.2),
    )
