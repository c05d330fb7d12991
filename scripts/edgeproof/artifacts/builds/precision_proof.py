"""The precision that an artifact really has, judged by the element types counted in it and not by its name."""

from collections.abc import Mapping

from edgeproof.core.configuration import Json

from .build_failures import BuildError

LEAST_SHARE = 0.5  # an artifact is named after the type that most of its weights have
_ELEMENT_TYPES = {
    "fp32": {"float32"},
    "fp16": {"float16"},
    "int8": {"int8", "uint8"},
    "int8-dynamic": {"int8", "uint8"},
    "int8-weights": {"int8", "uint8"},
}
QUANTISERS = {"int8": "QuantizeLinear", "int8-dynamic": "DynamicQuantize"}  # in the name of an ONNX operator
_TYPES_OF_NO_WEIGHTS = {
    "int64",
    "int32",
    "bool",
    "string",
}  # shapes, indices, masks, and the int32 biases of quantised layers


def judge_counts(claimed: str, weights: Json, values: dict[str, int], operators: dict[str, int]) -> Json:
    """Return the proof of precision, a manifest's `precision`, from counts in an artifact of any format."""
    elements = {dtype: item["elements"] for dtype, item in weights.items()}
    share = _compute_share(elements, claimed)
    return {
        "claimed": claimed,
        "basis": "element-types",
        "share": _compute_share(values, claimed) if share is None else share,
        "weights": dict(sorted(weights.items())),
        "values": dict(sorted(values.items())),
        "operators": dict(sorted(operators.items())),
    }


def require_precision(proof: Json, quantisers: Mapping[str, str] = QUANTISERS) -> None:
    """Raise BuildError unless the proof shows that half of the elements have the precision that is claimed.

    Activations must be quantised if that is claimed. `quantisers`: per precision, an operator (or part of its name)
    that only occurs where activations are quantised.
    """
    share, claimed = proof["share"], proof["claimed"]
    if share is None and claimed != "fp32":
        raise BuildError("precision_not_held", f"it has no weights and no activations that could be {claimed}")
    if share is not None and share < LEAST_SHARE:
        counted = {dtype: item["elements"] for dtype, item in proof["weights"].items()} or proof["values"]
        what, found = (
            "weights" if proof["weights"] else "activations",
            ", ".join(f"{n} {k}" for k, n in counted.items()),
        )
        raise BuildError(
            "precision_not_held",
            f"{share:.1%} of the {what} are {claimed}, at least {LEAST_SHARE:.0%} are needed; found {found}",
        )
    quantiser = quantisers.get(claimed)
    if quantiser and not any(quantiser in operator for operator in proof["operators"]):
        raise BuildError("precision_not_held", f"no activation is quantised (the artifact has no {quantiser})")


def _compute_share(counted, claimed):
    relevant = {dtype: number for dtype, number in counted.items() if dtype not in _TYPES_OF_NO_WEIGHTS}
    total = sum(relevant.values())
    return sum(relevant.get(dtype, 0) for dtype in _ELEMENT_TYPES[claimed]) / total if total else None
