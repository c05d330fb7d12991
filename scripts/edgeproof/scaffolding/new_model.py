"""`edgeproof new model`: from an ONNX file to a model's configuration, its samples, and a campaign."""

import argparse
from pathlib import Path

from edgeproof.comparability.decision_outlook import SampleSets
from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import name_from_here, relative_to_repository
from edgeproof.core.tensors import write_tensors
from edgeproof.core.yaml_files import parse_yaml, read_yaml
from edgeproof.sources.chosen_rows import Selection, find_choosing_operators, find_selection
from edgeproof.sources.copying import copy_model
from edgeproof.sources.identity import describe_model
from edgeproof.sources.samples import MINIMUM_CALIBRATION, check_samples, size_samples

from .image_folders import Preprocessing
from .model_texts import (
    RANDOM_CALIBRATION,
    RANDOM_EVALUATION,
    render_detection,
    render_files,
    render_model,
    render_random,
    render_task,
)
from .new_campaigns import choose_precisions, compose_campaign, count_needed_samples
from .new_files import (
    add_files,
    make_name,
    note_place,
    place_file,
    require_new_name,
    require_new_paths,
    require_referred_entries,
    suggest_next_run,
    tell_new_files,
)
from .running_samples import require_running_samples
from .sample_splits import Split, split_samples
from .sample_tables import SampleTable, read_samples

_DRAWN = {"float16", "float32", "float64", "int8", "uint8"}  # types for which random values mean something


def write_model(options: argparse.Namespace, root: Path) -> ExitCode:
    """Write a new model from an ONNX file: `config/models/NAME.yaml`, `config/NAME.yaml` and the samples' npz files;
    UserError for a mistake.
    """
    path = Path(options.path)
    name = require_new_name(options.name or make_name(path.stem))
    require_referred_entries(options, root)
    precisions = choose_precisions(options.preset, options.precisions, root)
    model_yaml, campaign_yaml = f"config/models/{name}.yaml", f"config/{name}.yaml"
    copied = f"config/models/{name}.onnx"
    sets = {key: f"config/samples/{name}/{key}.npz" for key in ("calibration", "evaluation")}
    files = [model_yaml, campaign_yaml, *[copied] * options.copy, *(sets.values() if options.samples else ())]
    require_new_paths(files, root, "choose another --name")

    identity = describe_model(name, path)
    shapes = _read_shapes(options.shape, identity)
    task, table = _choose_samples(options, identity, shapes)
    preset = read_yaml(root / f"config/presets/{options.preset}.yaml", "preset")
    asked = preset["build"].get("calibration_samples", MINIMUM_CALIBRATION)
    needed = count_needed_samples(root) if task == "classification" else 0
    split = table and split_samples(table, asked, needed)
    if table and split:
        check_samples(identity, split.calibration, split.evaluation, task)
        require_running_samples(path, identity, table)
    selection = find_selection(path) if task == "none" and not options.task else None
    campaign = compose_campaign(name, precisions, options, _count_sets(split, task), root)
    placed = copied if options.copy else relative_to_repository(path.resolve(), root)
    with add_files(root) as stage:
        if options.copy:
            copy_model(path, identity["sha256"], place_file(stage, copied))
        if table and split:
            digests = {key: (place, _write_set(stage, place, split, key)) for key, place in sets.items()}
            samples = render_files(table.origin, split.duplicates, digests)
        else:
            samples = render_random(shapes)
        judged = render_detection(selection) if selection else render_task(task)
        text = render_model(identity, placed, judged, samples)
        validate(parse_yaml(text, model_yaml), "model", model_yaml)
        place_file(stage, model_yaml).write_text(text)
        place_file(stage, campaign_yaml).write_text(campaign.text)
    notes = [*_list_notes(table, split, task), *campaign.notes]
    notes += note_place(placed, "--copy keeps a copy in config/models/ instead")
    notes += _note_rows(path, selection, name_from_here(model_yaml, root)) if task == "none" else []
    return tell_new_files(options, root, files, notes, suggest_next_run(campaign.profile, campaign_yaml, root))


def _note_rows(path: Path, selection: Selection | None, place: str) -> list[str]:
    """Return what to know of outputs whose rows NonMaxSuppression chooses: how they are compared, what to declare."""
    if selection:
        return [
            f"output {selection.selected!r} selects boxes: `task: detection` in {place} matches rows with the model's"
        ]
    chosen = find_choosing_operators(path)
    if not chosen:
        return []
    name, operator = next(iter(chosen.items()))
    return [
        f"{operator} chooses the rows of output {name!r}, and by their places they differ in every reduced precision: "
        f"declare `task: {{detection: …}}` in {place}, and rows are matched (docs/sources.md)"
    ]


def _read_shapes(arguments: list[str], identity: Json) -> dict[str, list[int]]:
    """Return {input: shape of one call} of the `--shape` options; UserError unless each sizes axes of an input.

    Refuses also a model that cannot be measured with one sample per call.
    """
    inputs = {item["name"]: item for item in identity["inputs"]}
    shapes: dict[str, list[int]] = {}
    for text in arguments:
        name, equals, sizes = text.rpartition("=")
        try:
            shape = [int(size) for size in sizes.split(",")]
        except ValueError:
            shape = []
        if not equals or not shape or min(shape) < 1:
            raise UserError(f"--shape {text}: INPUT=N,… is needed, such as x=1,3,224,224")
        if name not in inputs:
            raise UserError(f"--shape {text}: {name!r} is not an input of the model; it has {', '.join(inputs)}")
        shapes[name] = size_samples(inputs[name] | {"name": name}, {name: shape})
    for item in identity["inputs"]:
        if not item["shape"]:
            raise UserError(f"input {item['name']!r} is a single number without a batch axis; it cannot be measured")
        if item["shape"][0] != 1 and not isinstance(item["shape"][0], str):
            raise UserError(
                f"input {item['name']!r} has the shape {item['shape']}: a fixed batch of {item['shape'][0]}; export "
                "the model with a batch of 1, or with an open batch axis"
            )
    return shapes


def _choose_samples(
    options: argparse.Namespace, identity: Json, shapes: dict[str, list[int]]
) -> tuple[str, SampleTable | None]:
    """Return the task, and the samples of the user; None for random ones."""
    if options.samples:
        inputs = [item | {"shape": size_samples(item, shapes)} for item in identity["inputs"]]
        labels = Path(options.labels) if options.labels else None
        source = Path(options.samples)
        if not source.exists():
            raise UserError(f"--samples {source}: there is no such file or folder")
        table = read_samples(source, inputs, _read_preprocessing(options, inputs), labels, options.task)
        answers = {"labels": "classification", "targets": "regression"}
        found = next((task for name, task in answers.items() if name in table.arrays), "none")
        _shape_targets(table, identity)
        return options.task or found, table
    for option in ("labels", "images", "scale"):
        if getattr(options, option):
            raise UserError(f"--{option} needs --samples FILE_OR_FOLDER")
    if options.task in ("classification", "regression"):
        raise UserError(f"--task {options.task} needs samples with answers: --samples FILE_OR_FOLDER --labels FILE")
    for item in identity["inputs"]:
        if item["dtype"] not in _DRAWN:
            raise UserError(
                f"input {item['name']!r} is {item['dtype']}: random values would mean nothing to the model; give "
                "--samples FILE"
            )
        shape = size_samples(item, shapes)
        if any(isinstance(size, str) for size in shape[1:]):
            example = ",".join("1" if axis == 0 else str(size) for axis, size in enumerate(shape))
            raise UserError(
                f"input {item['name']!r} leaves axes open: {shape}; size them with --shape {item['name']}={example} "
                "(numbers for the words), or give --samples FILE"
            )
    return "none", None


def _read_preprocessing(options: argparse.Namespace, inputs: list[Json]) -> Preprocessing | None:
    if not options.images:
        return None
    if options.scale is None and inputs[0]["dtype"] not in ("uint8", "int8"):
        raise UserError(
            "--scale is missing: pixels are 0 to 255; say what the model was trained on, such as --scale 1/255 "
            "(0 to 1) or --scale 1"
        )
    return Preprocessing(options.images, options.fit, options.scale or 1.0, options.mean, options.std)


def _shape_targets(table: SampleTable, identity: Json) -> None:
    """Give targets the shape of the first output, where that takes as many numbers."""
    shape = identity["outputs"][0]["shape"][1:]
    if "targets" in table.arrays and all(isinstance(size, int) for size in shape):
        targets = table.arrays["targets"]
        count = 1
        for size in shape:
            count *= size
        if targets.size == len(targets) * count:
            table.arrays["targets"] = targets.reshape(len(targets), *shape)


def _write_set(stage: Path, place: str, split: Split, key: str) -> str:
    """Write one set of samples and return its sha256."""
    target = place_file(stage, place)
    write_tensors(target, getattr(split, key))
    return sha256_file(target)


def _count_sets(split: Split | None, task: str) -> SampleSets:
    """Return how many samples calibrate and evaluate; random ones, which show no accuracy, without a split."""
    if split is None:
        return SampleSets(RANDOM_CALIBRATION, RANDOM_EVALUATION, accuracy=False)
    counts = [len(next(iter(arrays.values()))) for arrays in (split.calibration, split.evaluation)]
    return SampleSets(counts[0], counts[1], accuracy=task == "classification")


def _list_notes(table: SampleTable | None, split: Split | None, task: str) -> list[str]:
    if not table or not split:
        return [
            "samples are random; real ones with answers (--samples FILE_OR_FOLDER --labels FILE) measure accuracy, too"
        ]
    counts = [len(next(iter(arrays.values()))) for arrays in (split.calibration, split.evaluation)]
    left = table.count - split.duplicates - sum(counts)
    more = (f"; {split.duplicates} occur twice" if split.duplicates else "") + (f"; {left} not used" if left else "")
    notes = [*table.notes, f"{counts[0]} samples calibrate, {counts[1]} evaluate{more}"]
    return notes if task != "none" else [*notes, "without --labels nothing is said about accuracy"]
