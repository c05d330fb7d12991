"""What a build needs of its source and its inputs: a float model, numbers, and sizes that are fixed."""

from edgeproof.core.configuration import Json

from .build_failures import BuildError

_QUANTISED = (  # operators that only a model has which is quantised already
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
)


def require_usable_source(known: Json) -> None:
    """Raise BuildError unless a model can be the input of a build: it is not quantised yet, and takes numbers.

    `known`: the model's identity.
    """
    found = [f"{number} {name}" for name, number in known["operators"].items() if name.rsplit(".", 1)[-1] in _QUANTISED]
    if found:
        raise BuildError(
            "unusable_input",
            f"the source is quantised already ({', '.join(found)}); artifacts of every precision are built from the "
            "float model that it was made from, and this file can be its `supplied` artifact",
        )
    for item in known["inputs"]:
        if not item["dtype"].startswith(("float", "int", "uint", "bool", "bfloat")):
            raise BuildError("conversion_failed", f"input {item['name']!r} is {item['dtype']}; samples are numbers")


def require_single_samples(known: Json, tool: str) -> None:
    """Raise BuildError if an input of a build has a fixed batch and the tool that calibrates feeds single samples."""
    whole, opset = known.get("whole_inputs", ()), known["opset"].get("ai.onnx", "?")
    for item in known["inputs"]:
        batch = item["shape"][0] if item["shape"] and item["name"] not in whole else 1
        if isinstance(batch, int) and batch != 1:
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} has a fixed batch of {batch}, and {tool} calibrates with one sample at a "
                f"time; export the model with batch 1 or a named batch dimension (opset {opset})",
            )


def list_open_batches(known: Json) -> list[str]:
    """Return the inputs of a build whose batch is open; formats that fix it take one sample per call."""
    whole = known.get("whole_inputs", ())
    return [
        item["name"]
        for item in known["inputs"]
        if item["name"] not in whole and item["shape"] and isinstance(item["shape"][0], str)
    ]


def fix_open_inputs(inputs: list[Json]) -> dict[str, list[int]]:
    """Return `{name: sizes}` of the inputs of a build whose batch has a name; it becomes 1.

    BuildError if another size has a name.
    """
    fixed = {}
    for item in inputs:
        if any(isinstance(size, str) for size in item["shape"][1:]):
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} is {item['shape']}; only its batch may be open, give the other sizes with "
                "input_shapes in the model's YAML",
            )
        if item["shape"] and isinstance(item["shape"][0], str):
            fixed[item["name"]] = [1, *item["shape"][1:]]
    return fixed
