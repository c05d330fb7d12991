"""`edgeproof new device` and `edgeproof new preset`: one commented YAML file each."""

import argparse
import copy
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.yaml_files import parse_yaml, read_yaml

from .commented_yaml import render_entry
from .new_files import (
    add_files,
    place_file,
    require_new_name,
    require_new_paths,
    require_referred_entry,
    tell_new_files,
)


def write_device(options: argparse.Namespace, root: Path) -> ExitCode:
    """Write the entry of a new device, `config/devices/NAME.yaml`; UserError if the name is taken."""
    name = require_new_name(options.name)
    path = f"config/devices/{name}.yaml"
    document: Json = {
        "description": f"{options.board or name}, from its own shell",
        "board": options.board or name,
        "board_contains": options.board_contains,
        "transport": "local",
        "interpreter": options.interpreter,
        "lock": options.lock,
        "timeout_s": options.timeout_s,
        "tags": [name],
    }
    head = f"The device {name}. A campaign measures on it when its `devices` names it."
    require_new_paths([path], root, "choose another name")
    with add_files(root) as stage:
        place_file(stage, path).write_text(render_entry(document, "device", head, path))
    return tell_new_files(
        options, root, [path], [], f"edgeproof new model PATH --device {name}, in the shell of the board"
    )


def write_preset(options: argparse.Namespace, root: Path) -> ExitCode:
    """Write the entry of a new preset, `config/presets/NAME.yaml`: the preset `--from` with the changes of `--set`;
    UserError for a mistake.
    """
    name = require_new_name(options.name)
    require_referred_entry("preset", options.source, root)
    document = copy.deepcopy(read_yaml(root / f"config/presets/{options.source}.yaml", "preset"))
    document["description"] = f"{document['description']}; {', '.join(options.set) or f'as {options.source}'}"
    for assignment in options.set:
        _set_value(document, assignment)
    path = f"config/presets/{name}.yaml"
    head = f"Made from the preset {options.source}."
    require_new_paths([path], root, "choose another name")
    with add_files(root) as stage:
        place_file(stage, path).write_text(render_entry(document, "preset", head, path))
    return tell_new_files(options, root, [path], [], f"edgeproof new model PATH --preset {name}")


def _set_value(document: Json, assignment: str) -> None:
    """Change one value of a document in place. `assignment`: `KEY.KEY=VALUE` with a YAML value; UserError otherwise."""
    dotted, equals, text = assignment.partition("=")
    *parents, last = dotted.split(".")
    place = document
    for key in parents:
        place = place.get(key) if isinstance(place, dict) else None
    if not equals or not last or not isinstance(place, dict):
        raise UserError(f"--set {assignment}: KEY=VALUE is needed, with a key such as runtime.intra_op_threads")
    place[last] = parse_yaml(text, f"--set {dotted}")
