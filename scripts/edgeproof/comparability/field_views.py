"""The fields by which comparability is judged: a flat view of a result, and a remedy for each differing field."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict, cast

from edgeproof.core.configuration import Json
from edgeproof.runs.conditions import first_snapshot

_SYNONYMS = {
    "float32": "fp32",
    "float": "fp32",
    "f32": "fp32",
    "single": "fp32",
    "float16": "fp16",
    "half": "fp16",
    "f16": "fp16",
    "i8": "int8",
}
# What a comparison may declare as `varies`, and the fields that may then differ.
VARIES = {
    "precision": ("precision",),
    "model": ("model_hash",),
    "input_shape": ("input_shape", "further_input_shapes"),
    "batch_size": ("batch_size",),
    "inputs": ("inputs_hash",),
    # What belongs to a board. The runtime's version is not among it: that can be the same on both.
    "device": (
        *("kernel", "power_mode", "clocks_locked", "governors", "jetpack", "gpu_driver", "cpu_quota"),
        "calls_per_sample",
    ),
}
_SHAPES = ("input_shape", "further_input_shapes")
_NAMES = ("input_dtype", "precision", "task", "runtime", "execution_provider")

FieldView = dict[str, Any]  # {field: value} under the names that policies use


class FieldReason(TypedDict):
    """A field that differs, with both values and what would make them equal; no remedy for what is under study."""

    field: str
    left: Any
    right: Any
    remedy: str | None


# What to do about a differing field. {left} and {right} are the two values.
REMEDIES = {
    "model_hash": "declare `varies: [model]` to compare two versions of a model, or compare cells of one model",
    "model_bytes": "measure a model whose file exists; a path does not identify a model",
    "input_names": "export both models with the inputs {left}",
    "input_shape": "declare `varies: [input_shape]`, or export both models for the input shape {left}",
    "further_input_shapes": "declare `varies: [input_shape]`, or export both models for the further inputs {left}",
    "input_dtype": "export both models with {left} inputs",
    "task": "set the same `task` in both models' configuration",
    "precision": "declare `varies: [precision]` in the comparison, or compare with the cell of precision {left}",
    "batch_size": "declare `varies: [batch_size]`, or export both models for batch size {left}",
    "inputs_hash": "declare `varies: [inputs]`, or measure both with the same evaluation samples",
    "agent_hash": "measure both with the same agent: run the workflow again",
    "include_preprocess": "measure both with pre-processing {left}",
    "include_postprocess": "measure both with post-processing {left}",
    "calls_per_sample": "measure both with a protocol whose max_timer_share lets both be timed alike",
    "runtime_version": "measure both again with runtime version {left}",
    "power_mode": "set power mode {left} on both, then measure the other again",
    "clocks_locked": "lock the clocks of both (jetson_clocks), then measure again",
    "power_boundary": "measure both at the boundary {left}: the same `boundary` and `samplers` of both devices",
    "power_rails": "name the same `rails` for the samplers of both devices, then measure again",
    "emulator": "measure on a real board; emulated times are no board's",
    "governors": "set the CPU governor to {left} on both, then measure again",
}
# Stands for a field that the tool which made the result does not record; it equals nothing, not even itself.
UNRECORDED = "not recorded"
_PROTOCOL_FIELDS = ("warmup_runs", "repeat_runs", "processes", "warmup_seconds", "min_seconds")
_DEFAULT_REMEDY = "make {field} {left} on both sides, then measure again"
_PROTOCOL_REMEDY = "measure both under the protocol of the left side ({field} {left})"


def read_fields(result: Json) -> FieldView:
    """Return the FieldView of a result: the fields by which comparability is judged."""
    cell, workload, requested = result["cell"], result["workload"], result["protocol"]["requested"]
    carried_out: Json = result["protocol"]["carried_out"] or {}
    runtime: Json = result["runtime"] or {}
    definition: Json = result["latency_definition"] or {}
    state = first_snapshot(result)
    return {
        "model_hash": result["digests"]["model"],
        "model_bytes": True,
        **{key: workload[key] for key in ("input_shape", "input_dtype", "task")},
        "input_names": [f"{item['name']} {item['dtype']}" for item in workload["inputs"]],
        "further_input_shapes": [item["shape"] for item in workload["inputs"][1:]],
        "precision": cell["precision"],
        "batch_size": workload["batch_size"],
        "warmup_runs": requested["warmup_runs"],
        "repeat_runs": requested["min_samples"],
        "include_preprocess": workload["include_preprocess"],
        "include_postprocess": workload["include_postprocess"],
        "inputs_hash": result["digests"]["inputs"],
        "agent_hash": result["digests"]["agent"],
        "processes": requested["processes"],
        "warmup_seconds": requested["warmup_seconds"],
        "min_seconds": requested["min_seconds"],
        "calls_per_sample": carried_out.get("calls_per_sample"),
        "runtime": runtime.get("name"),
        "execution_provider": runtime.get("execution_provider_requested"),
        "runtime_options": runtime.get("options"),
        "target_name": result["device"]["name"],
        "target_type": result["device"]["transport"],
        "board_name": state.get("board") or result["device"]["board"],
        "os": state.get("os"),
        "runtime_tags": result["device"]["tags"],
        "latency_boundary": definition.get("boundary"),
        "latency_transfers": definition.get("host_device_transfers"),
        "latency_graph_capture": definition.get("graph_capture"),
        "runtime_version": runtime.get("version"),
        **{
            key: state.get(key)
            for key in ("kernel", "power_mode", "clocks_locked", "governors", "jetpack", "gpu_driver")
        },
        "cpu_quota": state.get("cpu_quota"),
        "emulator": state.get("emulator"),
        "power_boundary": result["power"]["boundary"],
        "power_rails": result["power"]["rails"],
    }


def list_allowed(left: FieldView, right: FieldView, varies: Iterable[str]) -> set[str]:
    """Return the fields that may differ between two field views because of what a comparison declares as `varies`.

    With another batch, the first size of every input differs too. Samples follow the shape: two models that take other
    shapes cannot have the same ones.
    """
    declared = tuple(varies)
    allowed = {field for name in declared for field in VARIES.get(name, (name,))}
    if "batch_size" in declared and all(
        _without_batch(left.get(field)) == _without_batch(right.get(field)) for field in _SHAPES
    ):
        allowed.update(_SHAPES)
    elif any(field in allowed and left.get(field) != right.get(field) for field in _SHAPES):
        allowed.add("inputs_hash")
    if left.get("target_name") == right.get("target_name"):
        allowed.add("calls_per_sample")  # on one device pairs are measured, with one number of calls for both arms
    return allowed


def name_study(field: str) -> str:
    """Return what a comparison declares as `varies` for a field of two views to differ: `model` for `model_hash`."""
    return next((name for name, fields in VARIES.items() if field in fields), field)


def normalise(field: str, value: Any, policy: Mapping[str, Any]) -> Any:
    """Return the value of a field in a view in the form in which a policy compares it."""
    if field == "runtime_tags" and policy["tags_are_a_set"]:
        return sorted(set(cast("list[str]", value)))
    if field in _NAMES and policy["normalise_names"] and isinstance(value, str):
        return _SYNONYMS.get(value.lower(), value.lower())
    return value


def _without_batch(shape: Any) -> Any:
    """Return a shape, or a list of shapes, without the first size."""
    sizes: list[Any] = list(shape or [])
    return [_without_batch(size) for size in sizes] if sizes and isinstance(sizes[0], list) else sizes[1:]


def describe_difference(field: str, left: Any, right: Any) -> FieldReason:
    """Return a field in which two results' views differ, with both values and the remedy: the change that evens it."""
    if UNRECORDED in (left, right):
        return {"field": field, "left": left, "right": right, "remedy": f"measure with a tool that records {field}"}
    template = REMEDIES.get(field, _PROTOCOL_REMEDY if field in _PROTOCOL_FIELDS else _DEFAULT_REMEDY)
    return {
        "field": field,
        "left": left,
        "right": right,
        "remedy": template.format(field=field, left=_say(left), right=_say(right)),
    }


def _say(value: Any) -> str:
    """Return a field's value as a person writes it: `1 × 3 × 224`, `image float32, mask int64`."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        sizes = all(isinstance(item, int) for item in items)
        return (" × " if sizes else ", ").join(map(_say, items))
    return str(value)
