"""`edgeproof new forge-build`: from InferEdgeForge's build directory to a model whose artifact is supplied."""

import argparse
import shlex
from pathlib import Path

from edgeproof.artifacts.records.forge import (
    MANIFEST_SCHEMA,
    describe_forge_build,
    locate_recorded,
    read_forge_record,
    validate_forge_record,
)
from edgeproof.artifacts.records.validation import FAULTS, Check
from edgeproof.comparability.decision_outlook import SampleSets
from edgeproof.core.catalogues import list_catalogue, read_catalogue
from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.reader import require_regular
from edgeproof.core.yaml_files import parse_yaml
from edgeproof.sources.identity import describe_model

from .model_texts import (
    RANDOM_CALIBRATION,
    RANDOM_EVALUATION,
    render_model,
    render_random,
    render_supplied,
    render_task,
)
from .new_campaigns import compose_campaign
from .new_files import (
    MOVE,
    add_files,
    make_name,
    note_place,
    place_file,
    require_new_name,
    require_new_paths,
    require_referred_entries,
    require_referred_entry,
    suggest_next_run,
    tell_new_files,
)

# Of what may be wrong with a build: a source elsewhere is the least, for the artifact is there to be measured.
_WORST_FIRST = ("artifact", "manifest", "precision", "metadata", "source")
_ENDINGS = {"openvino.zip": "xml"}  # of a file that a user supplies, where it is not the artifact's


def write_forge_build(options: argparse.Namespace, root: Path) -> ExitCode:
    """Write `config/models/NAME.yaml` and `config/NAME.yaml` for a new Forge build directory; UserError for a mistake.

    The manifest must be valid, and source and artifact must have the digests that it records.
    """
    path = Path(options.path, "manifest.json") if Path(options.path).is_dir() else Path(options.path)
    document = _read_valid_manifest(path)
    source, artifact = (_find_file(path, document, section) for section in ("source_model", "artifact"))
    record = describe_forge_build(path, sha256_file(artifact))
    precision = document["artifact"].get("precision") or document["runtime"]["precision"]
    preset = _choose_preset(options.preset, artifact, precision, record, root)
    device = _choose_device(options.device, preset, record, root)
    name = require_new_name(options.name or make_name(path.resolve().parent.name))
    options.preset, options.device = preset, device
    require_referred_entries(options, root)
    model_yaml, campaign_yaml = files = [f"config/models/{name}.yaml", f"config/{name}.yaml"]
    require_new_paths(files, root, "choose another --name")
    identity = describe_model(name, source)
    shapes = _size_inputs(identity, document["runtime"])
    places = [relative_to_repository(item.resolve(), root) for item in (source, artifact, path)]
    text = render_model(identity, places[0], render_task("none"), render_random(shapes))
    text += render_supplied(precision, places[1], sha256_file(artifact), places[2], record)
    sets = SampleSets(RANDOM_CALIBRATION, RANDOM_EVALUATION, accuracy=False)
    campaign = compose_campaign(name, [precision], options, sets, root)
    with add_files(root) as stage:
        validate(parse_yaml(text, model_yaml), "model", model_yaml)
        place_file(stage, model_yaml).write_text(text)
        place_file(stage, campaign_yaml).write_text(campaign.text)
    notes = [
        f"the build {record['build_id']} by {record['preset']}: manifest, source and artifact hold",
        "samples are random; name real ones in the model's YAML, they show what the precision costs",
        *(note for place in places for note in note_place(place, MOVE)),
    ]
    return tell_new_files(options, root, files, notes, suggest_next_run(campaign.profile, campaign_yaml, root))


def _read_valid_manifest(path: Path) -> Json:
    """Return the Forge manifest at `path`; UserError, with every fault, unless all that it says holds."""
    document = read_forge_record(path)
    if document is None or document.get("schema_version") not in (None, MANIFEST_SCHEMA) or "handoff" in document:
        raise UserError(f"{path}: is not a manifest.json of InferEdgeForge ({MANIFEST_SCHEMA})")
    faults = [check for check in validate_forge_record(path, document) if check.status in FAULTS]
    metadata = _check_metadata(path.with_name("metadata.json"))
    faults += [check for check in metadata if check.status in FAULTS or faults]
    if faults:
        faults.sort(key=lambda check: _WORST_FIRST.index(check.subject) if check.subject in _WORST_FIRST else 0)
        told = "; ".join(f"{check.subject} {check.status}: {check.message or check.file}" for check in faults)
        raise UserError(f"{path}: {told}; what each is: edgeproof artifacts validate {shlex.quote(str(path))}")
    if document["source_model"]["format"] != "onnx":
        raise UserError(f"{path}: source_model.format is {document['source_model']['format']!r}; onnx is needed")
    return document


def _check_metadata(path: Path) -> list[Check]:
    """Return the Check of the metadata beside a manifest. What it says stands in the manifest too, so that a build
    without it can be taken; one that is there must be Forge's.
    """
    require_regular(path)
    if not path.is_file():
        return [Check("metadata", "note", path.name, f"there is no {path.name} beside it")]
    try:
        found = read_forge_record(path)
    except UserError as error:
        return [Check("metadata", "differs", path.name, str(error).removeprefix(f"{path}: "))]
    if found is None:
        return [Check("metadata", "differs", path.name, f"{path.name} is none of InferEdgeForge's")]
    return []


def _find_file(path: Path, document: Json, section: str) -> Path:
    """Return the source or artifact that a validated manifest names."""
    found = locate_recorded(path, document[section]["path"])
    assert found is not None, "the validation has opened it"
    return found


def _choose_preset(named: str | None, artifact: Path, precision: str, record: Json, root: Path) -> str:
    """Return the preset that runs a Forge artifact: the one named, or one of ours for its format and precision."""
    ending = {"plan": "engine"}.get(artifact.suffix[1:], artifact.suffix[1:])
    fitting = [
        name
        for name, item in read_catalogue("preset", root / "config").items()
        if _ENDINGS.get(item["artifact"], item["artifact"]) == ending
        and precision in item["precisions"]
        and item["backend"] != "command"
    ]
    if named is not None:
        require_referred_entry("preset", named, root)
        if named not in fitting:
            raise UserError(
                f"--preset {named}: does not take {artifact.name} in {precision}; {_list_known(fitting)} would"
            )
        return named
    if not fitting:
        raise UserError(f"{artifact}: no preset in config/presets/ takes .{ending} files in {precision}")
    return next((name for name in fitting if name == f"{record['backend']}-{record['target']}"), fitting[0])


def _choose_device(named: str | None, preset: str, record: Json, root: Path) -> str:
    """Return the device that runs a Forge artifact: the one named, else its target, or this machine where it can."""
    known = list_catalogue("device", root)
    if named is not None:
        require_referred_entry("device", named, root)
        return named
    if record["target"] in known:
        return record["target"]
    if read_catalogue("preset", root / "config")[preset]["built"] == "host":
        return "local"
    raise UserError(
        f"the build is for {record['target']!r}, which is not in config/devices/; give --device, one of "
        f"{_list_known(known)}, or write it with: edgeproof new device NAME"
    )


def _size_inputs(identity: Json, runtime: Json) -> dict[str, list[int]]:
    """Return sizes for inputs with open axes, from the batch, height and width of a Forge manifest."""
    sizes = {}
    for item in identity["inputs"]:
        shape = [1 if place == 0 and not isinstance(size, int) else size for place, size in enumerate(item["shape"])]
        for axis, key in ((2, "height"), (3, "width")):
            if len(shape) == 4 and not isinstance(shape[axis], int) and runtime.get(key):
                shape[axis] = runtime[key]
        if any(not isinstance(size, int) for size in shape):
            raise UserError(
                f"input {item['name']!r} leaves axes open: {item['shape']}, and the manifest does not size them; "
                "add runtime.height and runtime.width to it, or export the model with fixed sizes"
            )
        if shape != item["shape"]:
            sizes[item["name"]] = shape
    return sizes


def _list_known(names: list[str]) -> str:
    return ", ".join(names) or "no other"
