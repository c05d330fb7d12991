"""The samples of a model: a calibration set and an evaluation set with no sample in common."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.agent.inputs_format import WHOLE_INPUTS
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, validate, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_bytes, sha256_file
from edgeproof.core.tensors import read_tensors, write_tensors

from . import diabetes, digits, scenes
from .batches import find_fixed_batch
from .input_faults import InputFault, require_file

Samples = dict[str, np.ndarray]  # a set: `inputs/{name}` (n, …), and `labels` or `targets`
MINIMUM_CALIBRATION = 200  # with fewer, the ranges of activations depend on chance
DIGITS_CALIBRATION = 320
_MOST_RANDOM_BYTES = 8e9  # of one set, which is in memory as a whole
ANSWERS = ("labels", "targets")  # of an evaluation set: class numbers, or the right values of a regression


def make_samples(
    identity_path: str | Path,
    spec: Json,
    task: str,
    calibration_path: str | Path,
    evaluation_path: str | Path,
    output: str | Path,
) -> InputFault | None:
    """Write both sets of a model's samples as npz files, and what they are as `samples.json` (`edgeproof.samples.v2`).

    `spec`: the `samples` entry of the model's YAML. `task`: with `classification` the evaluation set needs labels, with
    `regression` targets. Equal specs give equal bytes. If the
    model cannot be used, the samples do not fit its inputs, fewer than 200 calibrate, or a sample is in both sets, both
    sets are empty, `samples.json` has `status: failed` and a reason, and the fault is returned. UserError if the spec
    is wrong or a file may not be read.
    """
    identity = read_json(identity_path, "identity")
    validate(spec, "model#samples", "--spec")
    paths = (calibration_path, evaluation_path, output)
    try:
        sets, origin = draw_samples(identity, spec, task)
    except InputFault as fault:
        write_no_samples(identity, spec["kind"], fault, paths)
        return fault
    write_sample_sets(identity, {"kind": spec["kind"], "origin": origin, "seed": spec.get("seed")}, sets, paths)
    return None


def draw_samples(identity: Json, spec: Json, task: str) -> tuple[tuple[Samples, Samples], str]:
    """Return a model's samples, ((calibration set, evaluation set), origin); InputFault if they do not fit it."""
    _require_model(identity)
    make = {
        "digits": _make_digits,
        "diabetes": _make_diabetes,
        "scenes": _make_scenes,
        "random": make_random,
        "file": _read_sample_files,
    }
    try:
        calibration, evaluation, origin = make[spec["kind"]](identity, spec)
        calibration = {name: array for name, array in calibration.items() if name not in ANSWERS}
        calibration, evaluation = (order_samples(identity, arrays) for arrays in (calibration, evaluation))
        # Random numbers have no answers, whatever the task is.
        check_samples(identity, calibration, evaluation, "none" if spec["kind"] == "random" else task)
        calibration, evaluation = (mark_whole_inputs(identity, arrays) for arrays in (calibration, evaluation))
    except InputFault:
        raise
    except UserError as error:
        if isinstance(error.__cause__, OSError):  # the machine's fault, such as a file that may not be read
            raise
        raise InputFault("unfit_samples", error) from error
    return (calibration, evaluation), origin


def _require_model(identity: Json) -> None:
    """Raise InputFault if an identity says that its model cannot be used."""
    if identity.get("status") == "failed":
        raise InputFault("no_model", identity["reason"]["message"])


def write_sample_sets(
    identity: Json, facts: Json, sets: tuple[Samples, Samples], paths: tuple[str | Path, str | Path, str | Path]
) -> None:
    """Write both sets of samples and what they are. `facts`: kind, origin and seed. `paths`: two npz, samples.json."""
    for path, arrays in zip(paths, sets, strict=False):
        write_tensors(path, arrays)
    document = {
        **_describe_samples(identity, facts, paths, [count_samples(arrays) for arrays in sets]),
        "labels": "labels" in sets[1],
        "targets": "targets" in sets[1],
        "disjoint": True,
        "call_shapes": _describe_calls(identity, sets[1]),
    }
    write_json(paths[2], document, "samples")


def _describe_calls(identity: Json, arrays: Samples) -> dict[str, list[int]]:
    """Return the shape that each input has in a call: of one sample, or of as many as the model's fixed batch takes."""
    whole, shapes = identity.get("whole_inputs", []), {}
    batch = find_fixed_batch(identity["inputs"], whole)
    for item in identity["inputs"]:
        entry = [int(size) for size in arrays[f"inputs/{item['name']}"].shape[1:]]
        shapes[item["name"]] = entry if item["name"] in whole else [batch, *entry]
    return shapes


def mark_whole_inputs(identity: Json, arrays: Samples) -> Samples:
    """Return the samples of a set with the names of their whole inputs, as the agent wants them; most have none."""
    whole = identity.get("whole_inputs")
    return {**arrays, WHOLE_INPUTS: np.array(whole)} if whole else arrays


def write_no_samples(
    identity: Json, kind: str, fault: InputFault, paths: tuple[str | Path, str | Path, str | Path]
) -> None:
    """Write empty sets of a model's samples, and why in samples.json. `kind`: theirs; `paths`: as for both sets."""
    for path in paths[:2]:
        atomic_write(path, b"")
    document = {
        **_describe_samples(identity, {"kind": kind, "origin": "", "seed": None}, paths, [0, 0]),
        "status": "failed",
        "reason": fault.describe(),
        "labels": False,
        "targets": False,
        "disjoint": False,
    }
    write_json(paths[2], document, "samples")


def _describe_samples(identity, facts, paths, counts):
    sets = zip(("calibration", "evaluation"), counts, paths, strict=False)
    return {
        "schema": "edgeproof.samples.v2",
        "model": identity["model"],
        "status": "ok",
        "reason": None,
        "model_sha256": identity["sha256"],
        **facts,
        **{name: {"count": count, "sha256": sha256_file(path)} for name, count, path in sets},
    }


def _make_digits(identity: Json, spec: Json) -> tuple[Samples, Samples, str]:
    """Return `(calibration, evaluation, origin)`: the first 320 training digits, and all 500 held-out ones."""
    key = _name_only_input(identity, "digits")
    inputs, labels = digits.load_heldout_digits()
    calibration = {key: digits.load_training_digits()[0][:DIGITS_CALIBRATION]}
    return calibration, {key: inputs, "labels": labels}, digits.describe_digits()


def _make_diabetes(identity: Json, spec: Json) -> tuple[Samples, Samples, str]:
    """Return `(calibration, evaluation, origin)`: the patients that trained diabetes-mlp, and all held-out ones."""
    key = _name_only_input(identity, "diabetes")
    inputs, targets = diabetes.load_heldout_patients()
    calibration = {key: diabetes.load_training_patients()[0]}
    return calibration, {key: inputs, "targets": targets}, diabetes.describe_diabetes()


def _make_scenes(identity: Json, spec: Json) -> tuple[Samples, Samples, str]:
    """Return `(calibration, evaluation, origin)`: the first 320 training scenes, and all held-out ones."""
    key = _name_only_input(identity, "scenes")
    calibration = {key: scenes.load_training_scenes().images[: scenes.CALIBRATION]}
    return calibration, {key: scenes.load_heldout_scenes().images}, scenes.describe_scenes()


def _name_only_input(identity: Json, kind: str) -> str:
    """Return the array of the model's one input; UserError if it has several. `kind`: of the samples."""
    names = [item["name"] for item in identity["inputs"]]
    if len(names) != 1:
        raise UserError(f"samples.kind is {kind}, but model {identity['model']!r} has {len(names)} inputs")
    return f"inputs/{names[0]}"


def make_random(identity: Json, spec: Json) -> tuple[Samples, Samples, str]:
    """Return `(calibration, evaluation, origin)` of seeded random samples for every input of the model.

    Floating-point inputs are uniform with mean 0 and deviation about 1. Images (two spatial dimensions) get a coarse
    pattern of 7x7 cells and finer noise: a network that pools cannot tell one white noise from another, and its outputs
    would hardly depend on the sample. 8-bit integers are uniform over their range. Other types are refused, because
    only the author of the model knows which values have a meaning. `shapes` of the spec sizes the axes that the model
    leaves open.
    """
    inputs = [item | {"shape": size_samples(item, spec.get("shapes", {}))} for item in identity["inputs"]]
    _require_inputs(identity, spec.get("shapes", {}))
    whole = identity.get("whole_inputs", [])
    generator = np.random.Generator(np.random.PCG64(int(spec["seed"])))
    sets = []
    for count in (int(spec["calibration"]), int(spec["evaluation"])):
        sets.append(
            {f"inputs/{item['name']}": _draw_input(generator, count, item, item["name"] in whole) for item in inputs}
        )
    origin = f"seeded uniform random values, numpy PCG64({int(spec['seed'])}), numpy {np.__version__}; no real data"
    return sets[0], sets[1], origin


def size_samples(item: Json, shapes: Json) -> list[Any]:
    """Return the shape of one of an input's samples: the model's own, with open axes as in `shapes` ({name: shape}).

    Axes may stay open where `shapes` does not name the input; UserError where it contradicts the model.
    """
    own = item["shape"]
    if item["name"] not in shapes:
        return own
    given = shapes[item["name"]]
    if len(given) != len(own) or any(type(size) is int and size != new for size, new in zip(own, given, strict=True)):
        raise UserError(
            f"shapes: {item['name']} is {list(given)}, but the model has {own}; only open axes can be sized"
        )
    if given and given[0] != 1 and not isinstance(own[0], int):
        raise UserError(f"shapes: {item['name']} is {list(given)}; its first axis is the batch, which is 1")
    return list(given)


def _read_sample_files(identity: Json, spec: Json) -> tuple[Samples, Samples, str]:
    """Return `(calibration, evaluation, origin)` from two npz files; UserError if one is missing or not the spec's."""
    sets, names = [], []
    for key in ("calibration", "evaluation"):
        require_file(spec[key], f"config/models/{identity['model']}.yaml: samples.{key}")
        actual = sha256_file(spec[key])
        if actual != spec[f"{key}_sha256"]:
            raise UserError(f"{spec[key]}: sha256 is {actual}, but samples.{key}_sha256 says {spec[f'{key}_sha256']}")
        sets.append(read_tensors(spec[key]))
        names.append(f"{spec[key]} (sha256 {actual})")
    return sets[0], sets[1], f"files {names[0]} and {names[1]}"


def check_samples(identity: Json, calibration: Samples, evaluation: Samples, task: str) -> None:
    """Raise UserError unless a model's samples suit it: both sets fit, are large and disjoint, and have the answers."""
    for where, arrays in (("calibration", calibration), ("evaluation", evaluation)):
        _check_set(identity, where, arrays)
    count = count_samples(calibration)
    if count < MINIMUM_CALIBRATION:
        raise UserError(f"calibration set has {count} samples; at least {MINIMUM_CALIBRATION} are needed")
    _check_labels(identity, evaluation, task)
    _check_targets(identity, evaluation, task)
    first, second = (digest_samples(arrays) for arrays in (calibration, evaluation))
    common = sorted(set(first) & set(second), key=first.index)
    if common:
        raise UserError(
            f"{len(common)} samples occur in both sets (calibration sample {first.index(common[0])} is evaluation "
            f"sample {second.index(common[0])}); remove them from one of the sets"
        )


def order_samples(identity: Json, arrays: Samples) -> Samples:
    """Return a set of samples with their inputs in the model's order; a runtime without names relies on it."""
    arrays = {name: array for name, array in arrays.items() if name != WHOLE_INPUTS}  # the identity decides
    wanted = [f"inputs/{item['name']}" for item in identity["inputs"]]
    ordered = sorted(arrays, key=lambda name: wanted.index(name) if name in wanted else len(wanted))
    return {name: arrays[name] for name in ordered}


def count_samples(arrays: Samples) -> int:
    """Return the number of samples in a set: the first dimension of all its arrays."""
    return int(next(iter(arrays.values())).shape[0])


def digest_samples(arrays: Samples) -> list[str]:
    """Return the sha256 of each sample: of all its inputs in the order of their names, without the answer."""
    names = sorted(name for name in arrays if name.startswith("inputs/"))
    columns = [np.ascontiguousarray(arrays[name]) for name in names]
    # + 0 turns -0.0 into 0.0, which is the same sample to a model.
    return [sha256_bytes(b"".join((c[i] + c.dtype.type(0)).tobytes() for c in columns)) for i in range(len(columns[0]))]


def _require_inputs(identity: Json, shapes: Json) -> None:
    names = [item["name"] for item in identity["inputs"]]
    for name in shapes:
        if name not in names:
            raise UserError(f"shapes: {name!r} is not an input of the model; it has {', '.join(names)}")


def _check_set(identity, where, arrays):
    expected = {f"inputs/{item['name']}": item for item in identity["inputs"]}
    names, whole = {name for name in arrays if name not in ANSWERS}, identity.get("whole_inputs", [])
    if names != set(expected):
        raise UserError(f"{where} set has arrays {sorted(names)}; model {identity['model']!r} needs {sorted(expected)}")
    counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(counts.values())) != 1 or not min(counts.values()):
        raise UserError(f"{where} set: arrays need one common number of samples, at least one; found {counts}")
    for name, item in expected.items():
        array = arrays[name]
        if array.dtype.name != item["dtype"]:
            raise UserError(f"{where} set: {name} is {array.dtype.name}; the model takes {item['dtype']}")
        wanted = item["shape"] if item["name"] in whole else item["shape"][1:]
        if not _fits_shape(array.shape[1:], wanted):
            told = "" if item["name"] in whole else " less its first axis, the batch"
            raise UserError(
                f"{where} set: {name} has samples of shape {list(array.shape[1:])}; the model takes {item['shape']}"
                f"{told}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UserError(f"{where} set: {name} has values that are not finite")


def _check_labels(identity, evaluation, task):
    labels = evaluation.get("labels")
    if labels is None:
        if task == "classification":
            raise UserError(
                "task is classification, but the evaluation set has no labels; add `labels` or set task: none"
            )
        return
    if labels.dtype != np.int64 or labels.ndim != 1:
        raise UserError(f"labels are {labels.dtype.name} of shape {labels.shape}; int64 of shape (n,) is needed")
    shape = identity["outputs"][0]["shape"]
    classes = shape[-1] if task == "classification" and shape and isinstance(shape[-1], int) else None
    if labels.min() < 0:
        raise UserError(f"the smallest label is {labels.min()}; labels are class numbers from 0 on")
    if classes is not None and labels.max() >= classes:
        raise UserError(f"the largest label is {labels.max()}; the model's last class is {classes - 1}")


def _check_targets(identity, evaluation, task):
    targets = evaluation.get("targets")
    if targets is None:
        if task == "regression":
            raise UserError(
                "task is regression, but the evaluation set has no targets; add `targets` or set task: none"
            )
        return
    if targets.dtype != np.float32 or not np.isfinite(targets).all():
        raise UserError(f"targets are {targets.dtype.name}; finite float32 of the shape of the first output is needed")
    if not _fits_shape(targets.shape[1:], identity["outputs"][0]["shape"][1:]):
        raise UserError(
            f"targets have shape {targets.shape[1:]} per sample; the first output has {identity['outputs'][0]['shape']}"
        )


def _fits_shape(sample_shape, wanted):
    return len(wanted) == len(sample_shape) and all(
        isinstance(size, str) or size == actual for size, actual in zip(wanted, sample_shape, strict=True)
    )


def _draw_input(generator, count, item, whole):
    where = f"random samples for input {item['name']!r}"
    entry = item["shape"] if whole else item["shape"][1:]
    if not item["shape"] or any(isinstance(size, str) for size in entry):
        raise UserError(f"{where}: its shape is {item['shape']}; every dimension after the batch must be known (size "
                        "it with input_shapes, or use kind file)")  # fmt: skip
    shape, dtype = (count, *entry), item["dtype"]
    size = math.prod(shape) * (1 if dtype in ("uint8", "int8") else 4)
    if size > _MOST_RANDOM_BYTES:
        raise UserError(
            f"{where}: {count} of {list(entry)} take {size / 1e9:.0f} GB of memory; the limit "
            f"is {_MOST_RANDOM_BYTES / 1e9:.0f} GB (lower samples.calibration or evaluation, or use kind file)"
        )
    if dtype in ("uint8", "int8"):
        limits = np.iinfo(dtype)
        return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    if dtype not in ("float16", "float32", "float64"):
        raise UserError(f"{where}: its dtype is {dtype}; random values of it would have no meaning (use kind file)")
    values = generator.random(shape, dtype=np.float32)
    values -= np.float32(0.5)
    values *= np.float32(2 * np.sqrt(3))  # deviation 1
    if len(shape) == 4:
        coarse = generator.random((*shape[:-2], 7, 7), dtype=np.float32)
        coarse -= np.float32(0.5)
        coarse *= np.float32(2 * np.sqrt(3))
        rows, columns = (np.arange(size) * 7 // size for size in shape[-2:])
        values *= np.float32(0.5)
        for index in range(count):  # one by one: the whole pattern would double the memory
            values[index] += coarse[index][:, rows[:, None], columns]
    return values.astype(dtype, copy=False)
