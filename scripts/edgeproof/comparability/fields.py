"""The fields by which comparability is judged: one flat view of a result, and what would make a differing field
equal.
"""

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
_NAMES = ("input_dtype", "precision", "task", "runtime", "execution_provider")

# What to do about a differing field. {left} and {right} are the two values.
REMEDIES = {
    "model_hash": "compare two cells of the same model",
    "model_bytes": "measure a model whose file is there; a path is no identity",
    "input_shape": "export both models for the input shape {left}",
    "input_dtype": "export both models with {left} inputs",
    "task": "set the same `task` in both models' configuration",
    "precision": "declare `varies: [precision]` in the comparison, or compare with the cell of precision {left}",
    "batch_size": "export both models for batch size {left}",
    "inputs_hash": "measure both with the same evaluation samples",
    "agent_hash": "measure both with the same agent: run the workflow again",
    "include_preprocess": "measure both with pre-processing {left}",
    "include_postprocess": "measure both with post-processing {left}",
    "calls_per_sample": "measure both with a protocol whose max_timer_share lets both be timed alike",
    "runtime_version": "measure both again with runtime version {left}",
    "power_mode": "set power mode {left} on both, then measure the other again",
    "clocks_locked": "lock the clocks of both (jetson_clocks), then measure again",
    "governors": "set the CPU governor to {left} on both, then measure again",
}
# The value of a field that the tool which made a result does not know; it equals nothing, not even itself.
UNRECORDED = "not recorded"
_PROTOCOL_FIELDS = ("warmup_runs", "repeat_runs", "processes", "warmup_seconds", "min_seconds")
_DEFAULT_REMEDY = "make {field} {left} on both sides, then measure again"
_PROTOCOL_REMEDY = "measure both under the protocol of the left side ({field} {left})"


def read_fields(result):
    """Return {field: value} of a result, under the names that policies use."""
    cell, workload, requested = result["cell"], result["workload"], result["protocol"]["requested"]
    carried_out = result["protocol"]["carried_out"] or {}
    runtime, definition = result["runtime"] or {}, result["latency_definition"] or {}
    state = (result["environment"] or {}).get("before", {})
    return {
        "model_hash": result["digests"]["model"],
        "model_bytes": True,
        **{key: workload[key] for key in ("input_shape", "input_dtype", "task")},
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
    }


def normalise(field, value, policy):
    """Return the form of a value that a policy compares."""
    if field == "runtime_tags" and policy["tags_are_a_set"]:
        return sorted(set(value))
    if field in _NAMES and policy["normalise_names"] and isinstance(value, str):
        return _SYNONYMS.get(value.lower(), value.lower())
    return value


def describe_difference(field, left, right):
    """Return the reason that a differing field is: field, both values, and the change that would make them equal."""
    if UNRECORDED in (left, right):
        return {"field": field, "left": left, "right": right, "remedy": f"measure with a tool that records {field}"}
    template = REMEDIES.get(field, _PROTOCOL_REMEDY if field in _PROTOCOL_FIELDS else _DEFAULT_REMEDY)
    return {
        "field": field,
        "left": left,
        "right": right,
        "remedy": template.format(field=field, left=left, right=right),
    }
