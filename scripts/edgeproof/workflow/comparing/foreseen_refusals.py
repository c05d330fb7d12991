"""What two sides differ in by their files and configuration alone, so that nothing is built to be refused afterwards.

A field that is only known when a side was built or measured is left to the workflow, which judges all of them.
"""

from collections.abc import Mapping
from pathlib import Path

from edgeproof.comparability.field_views import FieldReason, FieldView
from edgeproof.comparability.judging import Latitude, judge_comparability
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.tasks import name_task
from edgeproof.core.yaml_files import read_yaml
from edgeproof.sources.batches import list_whole_inputs
from edgeproof.sources.identity import describe_model

_POLICY = "strict"  # of the campaigns that `edgeproof compare` writes


def foresee_refusals(
    cells: tuple[Cell, Cell], models: Mapping[str, Json], presets: Mapping[str, Json], latitude: Latitude, root: Path
) -> list[FieldReason]:
    """Return the refusals that can be foreseen, before anything is built: the fields in which two cells differ and may
    not; none where what is known does not refuse them.
    """
    views = [_view(models[cell.model], cell, presets[cell.preset], root) for cell in cells]
    if views[0] is None or views[1] is None:
        return []
    policy = read_yaml(root / f"config/policies/{_POLICY}.yaml", "policy")
    known = views[0].keys() & views[1].keys()
    required = [field for field in policy["required"] if field in known]
    judged = judge_comparability(
        {field: views[0][field] for field in known},
        {field: views[1][field] for field in known},
        {**policy, "required": required, "environment": [], "runtime": [], "target": [], "require_model_bytes": False},
        latitude,
    )
    return judged["reasons"] if judged["verdict"] == "no" else []


def _view(model: Json, cell: Cell, preset: Json, root: Path) -> FieldView | None:
    """Return the fields of a cell that its model's file and its configuration say; None where there is no such file."""
    path = root / str(model.get("source", {}).get("path", ""))
    if "kept" in model or model["source"]["kind"] != "file" or not is_file(path):
        return None
    try:
        identity = describe_model(cell.model, path)
    except UserError:
        return None  # the workflow says what is wrong with it, in the words of the room that finds it
    inputs = identity["inputs"]
    view: FieldView = {
        "input_names": [f"{item['name']} {item['dtype']}" for item in inputs],
        "input_dtype": inputs[0]["dtype"],
        "precision": cell.precision,
        "task": name_task(model["task"], lambda name: sha256_file(root / name) if is_file(root / name) else None),
        "include_preprocess": "preprocessing" in preset.get("include", ()),
        "include_postprocess": "postprocessing" in preset.get("include", ()),
        "target_name": cell.device,
    }
    whole = list_whole_inputs(inputs, model.get("whole_inputs", ()))
    shapes = [_size(item, model, whole) for item in inputs]
    if shapes[0] is not None:
        view |= {"input_shape": shapes[0], "batch_size": 1 if inputs[0]["name"] in whole else shapes[0][0]}
    if None not in shapes:
        view["further_input_shapes"] = shapes[1:]
    return view


def _size(item: Json, model: Json, whole: list[str]) -> list[int] | None:
    """Return the shape of an input in a call, None where the samples decide it."""
    shapes = {**model["samples"].get("shapes", {}), **model.get("input_shapes", {})}
    shape = list(shapes.get(item["name"], item["shape"]))
    if shape and not isinstance(shape[0], int) and item["name"] not in whole:
        shape[0] = 1  # an open batch
    return shape if shape and all(isinstance(size, int) for size in shape) else None
