"""What a build needs of the inputs of its model: numbers, one sample at a time, and sizes that are fixed."""

from edgeproof.core.configuration import Json

from .build_failures import BuildError


def require_usable_inputs(known: Json, calibrated: bool) -> None:
    """Raise BuildError if the inputs of a model to be built cannot take samples.

    Inputs must be numbers. Calibration feeds one sample at a time, so there the batch must be 1 or have a name.
    `known`: the model's identity.
    """
    opset = known["opset"].get("ai.onnx", "?")
    for item in known["inputs"]:
        if not item["dtype"].startswith(("float", "int", "uint", "bool", "bfloat")):
            raise BuildError("conversion_failed", f"input {item['name']!r} is {item['dtype']}; samples are numbers")
        batch = item["shape"][0] if item["shape"] else 1
        if calibrated and isinstance(batch, int) and batch != 1:
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} has a fixed batch of {batch}, and calibration feeds one sample at a time; "
                f"export the model with batch 1 or a named batch dimension (opset {opset})",
            )


def fix_open_inputs(inputs: list[Json]) -> dict[str, list[int]]:
    """Return `{name: sizes}` of the inputs of a build whose batch has a name; it becomes 1.

    BuildError if another size has a name.
    """
    fixed = {}
    for item in inputs:
        if any(isinstance(size, str) for size in item["shape"][1:]):
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} is {item['shape']}; only its batch may be open, export it with fixed sizes",
            )
        if item["shape"] and isinstance(item["shape"][0], str):
            fixed[item["name"]] = [1, *item["shape"][1:]]
    return fixed
