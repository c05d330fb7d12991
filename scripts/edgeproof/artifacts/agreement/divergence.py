"""Where an artifact begins to compute something else than its source: both with all layers' outputs shown, one sample.

Layers are matched by the names of their tensors, which the converters to float16 and int8 keep. Graph optimisation is
off in both arms, because it merges layers and their tensors with them. So what is found lies in the artifact; what only
the optimised graph does is not found, and then the record says so.
"""

import math
import tempfile
from pathlib import Path

import numpy as np
import onnx

from edgeproof.artifacts.builds.build_failures import describe_node
from edgeproof.artifacts.builds.preflight import read_versions
from edgeproof.core.tensors import write_tensors
from edgeproof.sources.onnx_files import infer_types

from .execution import infer_outputs
from .output_agreement import measure_agreement

DEFAULT_LIMIT = 0.1  # relative L2, where the preset's limits say nothing of distances
_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
_DEQUANTISED = "_DequantizeLinear_Output"  # what ONNX Runtime's quantiser appends to a tensor that it took over


def locate_divergence(source, artifact, inputs, sample, arms, interpreters, lines):
    """Return the `divergence` entry of a parity document: the first layer beyond the limit, and every layer's distance.

    `source`, `artifact`: ONNX files. `inputs`: npz of samples, of which the one with index `sample` is taken. `arms`,
    `interpreters`: of the reference and the candidate. `lines`: the judged thresholds, which give the limit. UserError
    as in `infer_outputs`.
    """
    limit, basis = choose_limit(lines)
    record = {"sample": sample, "limit": limit, "limit_basis": basis, "first": None, "largest_step": None, "layers": []}
    if any(arm["backend"] != "onnxruntime" for arm in arms):
        return {**record, "status": "not_possible", "reason": "layers can be shown in ONNX Runtime only"}
    left, right = onnx.load(source), onnx.load(artifact)
    layers = match_layers(left, right)
    outputs = []
    with tempfile.TemporaryDirectory(prefix="edgeproof-layers-") as folder:
        one = Path(folder, "sample.npz")
        write_sample(inputs, sample, one)
        for side, model in enumerate((left, right)):
            path = Path(folder, f"{side}.onnx")
            onnx.save(expose_tensors(model, [layer[side + 1] for layer in layers]), path)
            arm = {**arms[side], "runtime": {**arms[side]["runtime"], "graph_optimization": "none"}}
            inference = infer_outputs(interpreters[side], arm, path, one)
            if inference.reason:
                message = f"{('the source', 'the artifact')[side]} does not run with all outputs shown: "
                return {**record, "status": "not_possible", "reason": message + inference.reason["message"]}
            outputs.append(inference.outputs)
    versions = read_versions(left.opset_import)
    for node, reference, candidate in layers:
        distance = compare_layer(outputs[0][reference], outputs[1][candidate])
        if distance is not None:
            described = {"tensor": reference, "node": describe_node(node, versions), "operator": node.op_type}
            record["layers"].append({**described, **distance})
    record["unmatched"] = sum(1 for _ in list_layers(left)) - len(record["layers"])
    return conclude(record, left)


def choose_limit(lines):
    """Return (relative L2 beyond which a layer diverges, where that comes from) for judged threshold lines."""
    limits = {line["name"]: line["limit"] for line in lines}
    if "max_relative_l2" in limits:
        return limits["max_relative_l2"], "max_relative_l2"
    if "min_cosine" in limits:  # two vectors of one length at that angle are so far apart
        return math.sqrt(2 * (1 - limits["min_cosine"])), "min_cosine, as the distance of vectors of equal length"
    return DEFAULT_LIMIT, "default"


def list_layers(model):
    """Yield `(node, tensor name)` for each float tensor of known rank, at least 1, that the main graph makes."""
    graph = infer_types(model)
    kinds = {item.name: item.type.tensor_type for item in (*graph.value_info, *graph.output)}
    for node in graph.node:
        for name in node.output:
            kind = kinds.get(name)
            if kind is not None and kind.elem_type in _FLOATS and kind.HasField("shape") and len(kind.shape.dim):
                yield node, name


def match_layers(source, artifact):
    """Return `[(node of the source, its tensor, that tensor in the artifact)]` in the order of the source's graph.

    Where the artifact quantises a tensor, the one that was dequantised again is taken: it is what the next layers see,
    and the quantiser removes a Relu that its range of integers makes superfluous.
    """
    made = {name for node in artifact.graph.node for name in node.output}
    pairs = []
    for node, name in list_layers(source):
        other = next((item for item in (name + _DEQUANTISED, name) if item in made), None)
        if other is not None:
            pairs.append((node, name, other))
    return pairs


def expose_tensors(model, names):
    """Return a copy of the model in which the named tensors are outputs too; the runtime infers their types."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    known = {item.name for item in exposed.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    return exposed


def write_sample(inputs, index, path):
    """Write one sample of a set to `path` as a set of its own."""
    with np.load(inputs, allow_pickle=False) as archive:
        names = [name for name in archive.files if name.startswith("inputs/")]
        write_tensors(path, {name: archive[name][index : index + 1] for name in names})


def compare_layer(reference, candidate):
    """Return relative L2 distance and counts of values that are not finite; None where the shapes differ.

    The distance is None where it has no meaning: values that are not finite, or a reference of nothing but zeros.
    """
    if reference.shape != candidate.shape:
        return None
    broken = {side: int((~np.isfinite(array)).sum()) for side, array in
              (("reference", reference), ("candidate", candidate))}  # fmt: skip
    return {"relative_l2": measure_agreement(reference, candidate, 1).relative_l2, "not_finite": broken}


def conclude(record, source):
    """Return the record with its status, the first layer beyond the limit, and the layer that adds most."""
    layers, limit = record["layers"], record["limit"]
    broken = [layer["not_finite"]["candidate"] > 0 == layer["not_finite"]["reference"] for layer in layers]
    beyond = [
        bad or (layer["relative_l2"] is not None and layer["relative_l2"] > limit)
        for layer, bad in zip(layers, broken, strict=True)
    ]
    record["first"] = next((layer for layer, yes in zip(layers, beyond, strict=True) if yes), None)
    record["largest_step"] = find_largest_step(layers, source)
    if record["first"]:
        return {**record, "status": "found", "reason": None}
    reason = (
        "with graph optimisation off no layer of this sample is beyond the limit; what fails comes from the optimised "
        "graph, or from many small differences"
    )
    return {**record, "status": "not_found", "reason": reason if layers else "no tensor has the same name in both"}


def find_largest_step(layers, source):
    """Return the layer whose distance grew most over that of what it computes from, with the growth as `step`.

    Where nothing before it was compared, its whole distance counts. None without a finite distance.
    """
    known = {layer["tensor"]: layer["relative_l2"] for layer in layers if layer["relative_l2"] is not None}
    inherited, best = {}, None  # distance that each tensor hands on, compared or not

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
