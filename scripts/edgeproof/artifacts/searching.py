"""`edgeproof artifacts search`: the cheapest way to build a model that loses no more accuracy than it may.

What is tried are cells of this repository: every preset that runs like the one asked for (same runtime and options),
in every precision below fp32, cheapest first. Each leaves its artifact, manifest and parity, like any other build.
"""

from argparse import Namespace
from pathlib import Path
from typing import NamedTuple

from edgeproof.artifacts.records.manifests import flag_random_ranges, read_manifest
from edgeproof.artifacts.records.parity_records import describe_parity, read_parity_record
from edgeproof.core.catalogues import read_catalogue, read_catalogue_entry, require_in_catalogue
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import artifact_folder

_COSTS = ("int8", "int8-weights", "int8-dynamic", "fp16")  # cheapest first, in time and memory on the device
_RUNS_LIKE = ("backend", "artifact", "built", "runtime", "runtime_toolchain")
_TRAINING = (
    "none holds: train the model with quantisation in the loop (PyTorch: torch.ao.quantization, Keras: tfmot), export "
    "the result as ONNX, and name it under `supplied: {int8: {file: …}}` in the model's YAML"
)


class Candidate(NamedTuple):
    """One thing to try: a preset in one precision."""

    preset: str
    precision: str


def search(options: Namespace, root: Path, _: object) -> ExitCode:
    """Do `edgeproof artifacts search`: try the candidates in order until one holds; NOT_GOOD if none does.

    `options.run_targets(targets, root)` makes targets of the workflow; what fails is in their documents.
    """
    candidates = list_candidates(options.model, options.preset, root)
    tried: list[Json] = []
    for candidate in candidates:
        folder = root / artifact_folder(options.model, candidate.preset, "host", candidate.precision)
        options.run_targets([str((folder / "parity.json").relative_to(root))], root)
        tried.append(_judge_candidate(candidate, folder, options.accuracy_loss))
        if tried[-1]["holds"]:
            break
    found = next((item for item in tried if item["holds"]), None)
    document = {
        "model": options.model,
        "accuracy_loss": options.accuracy_loss,
        "candidates": [item._asdict() for item in candidates],
        "tried": tried,
        "found": found and f"{options.model}/{found['preset']}/host/{found['precision']}",
        "next": None if found else _TRAINING,
    }
    show(options, document, lambda: _show_search(document))
    return ExitCode.GOOD if found else ExitCode.NOT_GOOD


def list_candidates(model: str, preset: str, root: Path) -> list[Candidate]:
    """Return what a search tries, in its order: by precision, then by how much is left in float.

    Where that is equal, the preset that was named comes first, then the others by name.

    UserError if the model declares no task whose accuracy can be lost, or the preset builds on a device.
    """
    require_in_catalogue("model", model, root)
    if read_catalogue_entry("model", model, root)["task"] == "none":
        raise UserError(f"{model} declares `task: none`, so there is no accuracy to lose; give it a task and answers")
    wanted = read_catalogue_entry("preset", preset, root)
    if wanted["built"] != "host":
        raise UserError(f"preset {preset!r} builds on the device; a search builds on the host")
    alike = [
        name
        for name, item in read_catalogue("preset", root / "config").items()
        if name != preset and all(item.get(key) == wanted.get(key) for key in _RUNS_LIKE)
    ]
    presets = {name: read_catalogue_entry("preset", name, root) for name in (preset, *sorted(alike))}
    presets = dict(sorted(presets.items(), key=lambda entry: _count_floats(entry[1])))  # the order stays otherwise
    return [
        Candidate(name, precision)
        for precision in _COSTS
        for name, item in presets.items()
        if precision in item["precisions"] and (precision == "int8" or name == preset)
    ]


def _count_floats(preset: Json) -> int:
    """Return how much of a model an int8 preset leaves in float: operators and nodes that it names."""
    return sum(len(preset["build"].get(key, [])) for key in ("float_operators", "float_nodes"))


def _judge_candidate(candidate: Candidate, folder: Path, loss: float) -> Json:
    """Return whether a candidate holds, with its evidence. `folder`: of its artifact. `loss`: share that may be lost.

    It holds if its parity has passed and the interval of the difference in accuracy excludes a larger loss.
    """
    parity = read_parity_record(folder / "parity.json")
    difference, low = find_loss(parity)
    reason = parity["reason"] and parity["reason"]["message"]
    if reason is None and low is None:
        reason = parity["absent"].get("relative_accuracy", "accuracy was not measured")
    elif reason is None and low is not None and low < -loss:
        reason = f"it may lose {-low:.2%}, {loss:.2%} are allowed"
    return {
        **candidate._asdict(),
        "holds": reason is None,
        "reason": reason,
        "difference": difference,
        "low": low,
        "parity": describe_parity(parity),
        "bytes": read_manifest(folder / "manifest.json")["artifact"]["bytes"],
        "calibration": flag_random_ranges(read_manifest(folder / "manifest.json")),
    }


def find_loss(parity: Json) -> tuple[float | None, float | None]:
    """Return the loss that a search judges, (difference in accuracy, lower end of its interval), as shares.

    Of a regression, both are those in R².
    """
    if accuracy := parity["accuracy"]:
        return accuracy["difference"], accuracy["low"]
    if detection := parity.get("detection"):
        return detection["f1_difference"], detection["f1_low"]
    if score := parity.get("score"):
        return score["difference"], score["low"]
    share = parity["metrics"]["relative_accuracy"]
    return (None, None) if share is None else (share - 1, share - 1)


def _show_search(document: Json) -> list[str]:
    """Return a search as lines for the terminal: what was tried, and what came of it."""
    lines = [f"{document['model']}: at most {document['accuracy_loss']:.2%} of accuracy may be lost"]
    for item in document["tried"]:
        figure = "" if item["difference"] is None else f"  {item['difference']:+.2%} (at least {item['low']:+.2%})"
        told = item["reason"] or "holds"
        noise = f"; {item['calibration']}" if item["calibration"] else ""
        lines.append(f"  {item['preset']} {item['precision']}{figure}  {item['bytes']} bytes: {told}{noise}")
    rest = document["candidates"][len(document["tried"]) :]
    lines += [f"  {item['preset']} {item['precision']}: not tried" for item in rest]
    return [*lines, document["found"] or document["next"]]
