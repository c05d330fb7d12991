"""Under which conditions a claimed number holds: fields in groups, a digest for each group, and what differs.

A line has room for digests only, so that it can name the group in which two machines differ; a claim's JSON has the
values, and names the field.
"""

from collections.abc import Iterator, Mapping

from edgeproof.comparability.field_views import read_fields
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import digest_json
from edgeproof.runs.conditions import first_snapshot

# The fields of a result (see `comparability.field_views`) that a number depends on.
GROUPS = {
    "model": (
        *("model_hash", "task", "precision", "batch_size", "input_names", "input_shape", "further_input_shapes"),
        "input_dtype",
    ),
    "inputs": ("inputs_hash",),
    "runtime": ("runtime", "execution_provider", "runtime_options", "runtime_version"),
    "meaning": (
        *("include_preprocess", "include_postprocess", "latency_boundary", "latency_transfers"),
        "latency_graph_capture",
    ),
    "protocol": ("warmup_runs", "repeat_runs", "processes", "warmup_seconds", "min_seconds"),
    "agent": ("agent_hash",),
    "machine": ("board_name", "cpu"),
    "state": ("os", "kernel", "power_mode", "clocks_locked", "governors", "jetpack", "gpu_driver", "cpu_quota"),
}
FIELDS = tuple(field for fields in GROUPS.values() for field in fields)
# Both arms of a ratio are timed in turns by one agent on one machine in one state: what slows both cancels.
_CANCELS = {"ratio": ("protocol", "agent", "state"), "latency": ()}
_MIN_SAMPLES = "repeat_runs"  # what the field `min_samples` of a protocol is called here
_DIGITS = 12  # of a digest in a line


def read_conditions(result: Json) -> Json:
    """Return the conditions under which a result's number may be claimed: {field: value} for every field in GROUPS."""
    cpu = first_snapshot(result).get("cpu_model")
    fields = {**read_fields(result), "cpu": cpu}
    return {field: fields[field] for field in FIELDS}


def digest_conditions(conditions: Mapping[str, Json | None]) -> dict[str, str]:
    """Return {group: the beginning of its digest} of a claim's conditions, {left, right} from `read_conditions`."""
    sides = {side: view for side, view in conditions.items() if view is not None}
    return {
        group: digest_json({side: {field: view[field] for field in fields} for side, view in sides.items()})[:_DIGITS]
        for group, fields in GROUPS.items()
    }


def find_protocol(digest: str, protocols: Mapping[str, Json]) -> str | None:
    """Return the protocol under which a latency was measured, None where none of `protocols` gives this digest of its
    conditions.
    """
    for name, protocol in protocols.items():
        view: Json = {
            field: protocol["min_samples" if field == _MIN_SAMPLES else field] for field in GROUPS["protocol"]
        }
        if digest_json({"right": view})[:_DIGITS] == digest:
            return name
    return None


def find_differences(claim: Json, own: Json) -> tuple[list[str], list[str]]:
    """Return (what differs and matters, what differs and cancels) between the conditions of two claims.

    These are fields, or groups where one of the two claims is a line.
    """
    cancels = _CANCELS[claim["kind"]]
    matters: list[str] = []
    ignored: list[str] = []
    for group in GROUPS:
        if claim["digests"][group] != own["digests"][group]:
            named = list(_name_fields(claim["conditions"], own["conditions"], group)) or [group]
            (ignored if group in cancels else matters).extend(named)
    return matters, ignored


def list_told_differences(told: Mapping[str, str], own: Json) -> list[str]:
    """Return the conditions that a declared claim's source tells and that are otherwise here.

    `own`: a measured claim.
    """
    view = own["conditions"]["right"]
    return [field for field, value in told.items() if str(view[field]) != value]


def list_untold(told: Mapping[str, str]) -> list[str]:
    """Return the conditions that a declared claim's source does not tell."""
    return [field for field in FIELDS if field not in told]


def require_fields(told: dict[str, str]) -> None:
    """Raise UserError where somebody tells a condition of a claim that has no such name."""
    for field in told:
        if field not in FIELDS:
            from edgeproof.core.suggestions import suggest_words  # only for a mistake

            raise UserError(f"{field}: is no condition of a measurement{suggest_words(field, FIELDS)}")


def _name_fields(one: Json | None, other: Json | None, group: str) -> Iterator[str]:
    if one is None or other is None:
        return
    for field in GROUPS[group]:
        if any(one[side] and other[side] and one[side][field] != other[side][field] for side in ("left", "right")):
            yield field
