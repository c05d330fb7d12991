"""What `edgeproof new model` does for every model that is exported to ONNX first: names, files, what to do next."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from edgeproof.comparability.decision_outlook import SampleSets
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.yaml_files import parse_yaml

from .model_texts import RANDOM_CALIBRATION, RANDOM_EVALUATION
from .new_campaigns import choose_precisions, compose_campaign
from .new_files import (
    add_files,
    make_name,
    place_file,
    require_new_name,
    require_new_paths,
    require_referred_entries,
    suggest_next_run,
    tell_new_files,
)


def choose_name(options: argparse.Namespace, root: Path) -> str:
    """Return a new exported model's name; UserError if its files exist, or for an unknown preset, device, protocol."""
    name = require_new_name(options.name or make_name(Path(options.path).stem))
    require_referred_entries(options, root)
    require_new_paths(_list_files(name), root, "choose another --name")
    return name


def refuse_samples(options: argparse.Namespace, what: str) -> None:
    """Raise UserError for an option about samples or the task of a new exported model: `what` is exported before its
    inputs are known.
    """
    for option in ("samples", "labels", "images", "scale", "task", "copy"):
        if getattr(options, option, None):
            raise UserError(f"--{option} is for an ONNX file; {what} is exported first, and its YAML is yours to edit")


def write_exported_model(
    options: argparse.Namespace, root: Path, name: str, text: str, notes: Sequence[str]
) -> ExitCode:
    """Write a new exported model: `config/models/NAME.yaml` (`text`), `config/NAME.yaml`; say so, with `notes`.

    The samples are random: what the model's inputs are called is known once it is exported.
    """
    model, campaign = files = _list_files(name)
    validate(parse_yaml(text, model), "model", model)
    precisions = choose_precisions(options.preset, options.precisions, root)
    sets = SampleSets(RANDOM_CALIBRATION, RANDOM_EVALUATION, accuracy=False)
    composed = compose_campaign(name, precisions, options, sets, root)
    with add_files(root) as stage:
        place_file(stage, model).write_text(text)
        place_file(stage, campaign).write_text(composed.text)
    random = "samples are random; once it is exported, `edgeproof new model` takes the ONNX file with --samples"
    following = suggest_next_run(composed.profile, campaign, root)
    return tell_new_files(options, root, files, [random, *composed.notes, *notes], following)


def _list_files(name: str) -> list[str]:
    return [f"config/models/{name}.yaml", f"config/{name}.yaml"]
