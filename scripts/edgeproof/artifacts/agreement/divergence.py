"""The layer where an artifact begins to differ from its source, found by running both on one sample with all outputs.

Layers are matched by the names of their tensors, which the converters to float16 and int8 keep. Graph optimisation is
off in both arms, because it merges layers and their tensors. So a layer that is found is at fault in the artifact. A
fault that only the optimised graph has is not found, and the record says so.
"""

import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnx

from edgeproof.agent.inputs_format import WHOLE_INPUTS
from edgeproof.artifacts.builds.build_failures import describe_node
from edgeproof.core.configuration import Json
from edgeproof.core.tensors import write_tensors
from edgeproof.sources.onnx_graphs import read_opset_versions
from edgeproof.sources.onnx_types import infer_types

from .execution import infer_outputs
from .output_agreement import measure_agreement

DEFAULT_LIMIT = 0.1  # relative L2, if the preset has no limit on a distance
_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
_DEQUANTISED = "_DequantizeLinear_Output"  # ONNX Runtime's quantiser appends this to a tensor that it quantises


def locate_divergence(
    source: str | Path,
    artifact: str | Path,
    inputs: str | Path,
    sample: int,
    arms: tuple[Json, Json],
    interpreters: tuple[str, str],
    lines: list[Json],
) -> Json:
    """Return a parity document's `divergence`: the first layer beyond the limit, and the distance of every layer.

    `source`, `artifact`: ONNX files. `inputs`: npz of samples; the one with index `sample` is used. `arms`,
    `interpreters`: of the reference and the candidate. `lines`: the judged thresholds, which decide the limit.
    UserError as in `infer_outputs`.
    """
    record = leave_layers(sample, lines, "only ONNX Runtime can show the outputs of layers")
    if any(arm["backend"] != "onnxruntime" for arm in arms):
        return record
    left, right = onnx.load(source), onnx.load(artifact)
    layers = match_layers(left, right)
    outputs = []
    with tempfile.TemporaryDirectory(prefix="edgeproof-layers-") as folder:
        one = Path(folder, "sample.npz")
        write_sample(inputs, sample, one)
        for side, model in enumerate((left, right)):
            path = Path(folder, f"{side}.onnx")
            onnx.save(_expose_tensors(model, [layer[2] if side else layer[1] for layer in layers]), path)
            arm = {**arms[side], "runtime": {**arms[side]["runtime"], "graph_optimization": "none"}}
            inference = infer_outputs(interpreters[side], arm, path, one)
            if inference.reason:
                message = f"{('the source', 'the artifact')[side]} does not run with all outputs shown: "
                return {**record, "status": "not_possible", "reason": message + inference.reason["message"]}
            assert inference.outputs is not None, "an inference without a reason has outputs"
            outputs.append(inference.outputs)
    versions = read_opset_versions(left.opset_import)
    for node, reference, candidate in layers:
        distance = _compare_layer(outputs[0][reference][0], outputs[1][candidate][0])
        if distance is not None:
            described = {"tensor": reference, "node": describe_node(node, versions), "operator": node.op_type}
            record["layers"].append({**described, **distance})
    record["unmatched"] = sum(1 for _ in list_layers(left)) - len(record["layers"])
    return conclude_divergence(record, left)


def choose_limit(lines: list[Json]) -> tuple[float, str]:
    """Return (relative L2 beyond which a layer diverges, where that comes from) for judged threshold lines."""
    limits = {line["name"]: line["limit"] for line in lines}
    if "max_relative_l2" in limits:
        return limits["max_relative_l2"], "max_relative_l2"
    if "min_cosine" in limits:  # the distance of two vectors of equal length at that angle
        return math.sqrt(2 * (1 - limits["min_cosine"])), "min_cosine, as the distance of vectors of equal length"
    if "max_l2_without_angle" in limits:
        return limits["max_l2_without_angle"], "max_l2_without_angle"
    return DEFAULT_LIMIT, "default"


def leave_layers(sample: int, lines: list[Json], reason: str) -> Json:
    """Return a `divergence` without layers and why they were not compared; arguments as in `locate_divergence`."""
    limit, basis = choose_limit(lines)
    record = {"sample": sample, "limit": limit, "limit_basis": basis, "first": None, "largest_step": None, "layers": []}
    return {**record, "status": "not_possible", "reason": reason}


def judge_layers(record: Json, lines: list[Json]) -> Json:
    """Return a `divergence` with the limit of today's threshold lines, from the layers that were compared before."""
    limit, basis = choose_limit(lines)
    moved = {**record, "limit": limit, "limit_basis": basis}
    return moved if record["status"] == "not_possible" else _name_first(moved)


def list_layers(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    """Yield the layers in which models can diverge, as (node, tensor).

    These are the float tensors of the main graph whose rank is known and at least 1.
    """
    graph = infer_types(model)
    kinds = {item.name: item.type.tensor_type for item in (*graph.value_info, *graph.output)}
    for node in graph.node:
        for name in node.output:
            kind = kinds.get(name)
            if kind is not None and kind.elem_type in _FLOATS and kind.HasField("shape") and len(kind.shape.dim):
                yield node, name


def match_layers(source: onnx.ModelProto, artifact: onnx.ModelProto) -> list[tuple[onnx.NodeProto, str, str]]:
    """Return the layers to search for a divergence: `[(node of the source, its tensor, the artifact's tensor)]`.

    They are in the order of the source's graph. If the artifact quantises a tensor, the dequantised one is used: the
    next layers read it, and the quantiser removes a Relu that the range of its integers makes superfluous.
    """
    made = {name for node in artifact.graph.node for name in node.output}
    pairs = []
    for node, name in list_layers(source):
        other = next((item for item in (name + _DEQUANTISED, name) if item in made), None)
        if other is not None:
            pairs.append((node, name, other))
    return pairs


def _expose_tensors(model: onnx.ModelProto, names: Iterable[str]) -> onnx.ModelProto:
    """Return a copy of the model with the named tensors as further outputs; the runtime infers their types."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {item.name for item in exposed.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    return exposed


def write_sample(inputs: str | Path, index: int, path: str | Path) -> None:
    """Write the one sample of a set on which layers are compared for divergence to `path`, as a set of its own."""
    with np.load(inputs, allow_pickle=False) as archive:
        one = {name: archive[name][index : index + 1] for name in archive.files if name.startswith("inputs/")}
        write_tensors(path, one | {name: archive[name] for name in archive.files if name == WHOLE_INPUTS})


def _compare_layer(reference: np.ndarray, candidate: np.ndarray) -> Json | None:
    """Return relative L2 distance and counts of values that are not finite; None if the shapes differ.

    The distance is None if it has no meaning: values are not finite, or the reference is all zeros.
    """
    if reference.shape != candidate.shape:
        return None
    broken = {side: int((~np.isfinite(array)).sum()) for side, array in
              (("reference", reference), ("candidate", candidate))}  # fmt: skip
    return {"relative_l2": measure_agreement([reference], [candidate]).relative_l2, "not_finite": broken}


def conclude_divergence(record: Json, source: onnx.ModelProto) -> Json:
    """Return the record of a divergence with its status, the first layer beyond the limit and the largest step.

    The largest step is the layer that adds most.
    """
    return _name_first({**record, "largest_step": _find_largest_step(record["layers"], source)})


def _name_first(record: Json) -> Json:
    layers, limit = record["layers"], record["limit"]
    broken = [layer["not_finite"]["candidate"] > 0 == layer["not_finite"]["reference"] for layer in layers]
    beyond = [
        bad or (layer["relative_l2"] is not None and layer["relative_l2"] > limit)
        for layer, bad in zip(layers, broken, strict=True)
    ]
    first = next((layer for layer, yes in zip(layers, beyond, strict=True) if yes), None)
    if first:
        return {**record, "first": first, "status": "found", "reason": None}
    reason = (
        "with graph optimisation off, no layer of this sample is beyond the limit; the fault is in the optimised "
        "graph, or comes from many small differences"
    )
    reason = reason if layers else "no tensor has the same name in both"
    return {**record, "first": None, "status": "not_found", "reason": reason}


def _find_largest_step(layers: list[Json], source: onnx.ModelProto) -> Json | None:
    """Return the layer whose distance grew most over that of its inputs, with the growth as `step`.

    If none of its inputs was compared, its whole distance counts. None without a finite distance.
    """
    known = {layer["tensor"]: layer["relative_l2"] for layer in layers if layer["relative_l2"] is not None}
    inherited, best = {}, None  # the distance that each tensor passes on, compared or not

    for node in source.graph.node:  # in topological order
        before = max((inherited.get(name, 0.0) for name in node.input), default=0.0)
        for name in node.output:
            inherited[name] = known.get(name, before)
            if name in known and (best is None or known[name] - before > best[1]):
                best = (name, known[name] - before)
    if best is None or best[1] <= 0:
        return None
    layer = next(layer for layer in layers if layer["tensor"] == best[0])
    return {**layer, "step": best[1]}


def name_diverging_layer(document: Json) -> None:
    """Say where a failed comparison begins to diverge, at the first such layer if it is known, in its reason."""
    first, reason = document["divergence"]["first"], document["reason"]
    said = reason["message"].split("; first diverging layer: ")[0]
    document["reason"] = {**reason, "message": f"{said}; first diverging layer: {first['node']}" if first else said}
