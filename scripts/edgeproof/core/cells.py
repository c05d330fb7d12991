"""What the rules ask of one cell: where its files are, how it is built, what the agent runs, and which tools it needs.

A cell here is anything with `model`, `preset`, `device` and `precision`: a `Cell`, or the wildcards of a rule. A target
that has an artifact but no device (wildcards with `builder`) is asked by preset and precision.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from .attempts import list_attempt_folders
from .campaign import PROCESSING, builder_of
from .configuration import LINK_KEYS, Device, Json, Model, Preset
from .digest_cache import digest_user_file
from .errors import UserError
from .exported_sources import EXPORTING_TOOLCHAINS, list_exported_files
from .layout import (
    Cell,
    artifact_folder,
    run_folder,
    source_folder,
    toolchain_interpreter,
    toolchain_record,
)

_SUPPLIED_FORMATS = {  # ending of a file that a user supplies, and the artifact that it is
    "onnx": "onnx",
    "tflite": "tflite",
    "xml": "openvino.zip",
    "pt": "pt",
    "engine": "engine",
    "plan": "engine",
    "rknn": "rknn",
}


class CellLike(Protocol):
    """A cell, or wildcards that name one."""

    @property
    def model(self) -> str:
        """Name of the model, as in its catalogue."""
        ...

    @property
    def preset(self) -> str:
        """Name of the preset."""
        ...

    @property
    def device(self) -> str:
        """Name of the device."""
        ...

    @property
    def precision(self) -> str:
        """One of the preset's precisions."""
        ...


class Cells:
    """The catalogues of models, presets and devices, and what they say of a cell."""

    def __init__(self, catalogues: Mapping[str, Mapping[str, Any]]) -> None:
        self.models: Mapping[str, Model] = catalogues["model"]
        self.presets: Mapping[str, Preset] = catalogues["preset"]
        self.devices: Mapping[str, Device] = catalogues["device"]
        self.pipelines: Mapping[str, Json] = catalogues["pipeline"]

    # Models

    def models_of(self, *source_kinds: str) -> list[str]:
        """Return the names of the models that come from a file, a url, a recipe, or are stages of another model."""
        return [name for name, model in self.models.items() if model["source"]["kind"] in source_kinds]

    def recipe_script(self, model: str) -> str:
        """Return the script that makes a model of kind recipe."""
        return "scripts/recipe_{}.py".format(self.models[model]["source"]["recipe"].replace("-", "_"))

    def exported_files(self, model: str) -> list[str]:
        """Return the files of the user's that a model of kind torch or tensorflow is exported from."""
        return list_exported_files(self.models[model]["source"])

    def exporting_toolchain_of(self, model: str) -> str:
        """Return the record of the toolchain that exports a model."""
        return toolchain_record(EXPORTING_TOOLCHAINS[self.models[model]["source"]["kind"]])

    def sample_files(self, model: str) -> list[str]:
        """Return the sample files that a model's configuration names; none unless its samples are of kind file."""
        samples = self.models[model]["samples"]
        return [samples["calibration"], samples["evaluation"]] if samples["kind"] == "file" else []

    # Artifacts

    def built_models(self) -> list[str]:
        """Return the names of the models whose artifacts are built; the others are stored artifacts."""
        return [name for name, model in self.models.items() if "kept" not in model]

    def kept_models(self) -> list[str]:
        """Return the names of the models that are stored artifacts."""
        return [name for name, model in self.models.items() if "kept" in model]

    def kept_of(self, model: str) -> Json:
        """Return which stored artifact a model is."""
        return self.models[model].get("kept", {})

    def presets_of(self, artifact: str) -> list[str]:
        """Return the names of the presets whose artifact is such a file."""
        return [name for name, preset in self.presets.items() if preset["artifact"] == artifact]

    def builder_of(self, cell: CellLike) -> str:
        """Return who builds the artifact of a cell: `host`, or its device."""
        return builder_of(self.presets[cell.preset], cell.device)

    def artifact_folder_of(self, cell: CellLike) -> str:
        """Return where the artifact of a cell is."""
        return artifact_folder(cell.model, cell.preset, self.builder_of(cell), cell.precision)

    def artifact_of(self, cell: CellLike) -> str:
        """Return the path of a cell's artifact."""
        return f"{self.artifact_folder_of(cell)}/artifact.{self.presets[cell.preset]['artifact']}"

    def calibration_set_of(self, cell: Any) -> list[str]:
        """Return the samples that choose int8 ranges, for a precision that needs them: they rebuild int8 only."""
        return [f"{source_folder(cell.model)}/samples/calibration.npz"] if cell.precision == "int8" else []

    def supplied_of(self, cell: Any) -> Json | None:
        """Return the entry of the user's file that takes the place of a build; None where one is built."""
        entry = self.models[cell.model].get("supplied", {}).get(cell.precision)
        taken = entry and _SUPPLIED_FORMATS[entry["file"].rsplit(".", 1)[1]] == self.presets[cell.preset]["artifact"]
        return entry if taken else None

    def saved_model_of(self, cell: Any) -> list[str]:
        """Return record and archive of the SavedModel that an artifact is made from; none for a user's file."""
        if self.supplied_of(cell):
            return []
        return [f"results/artifacts/{cell.model}/saved_model/saved_model.{kind}" for kind in ("json", "zip")]

    def toolchain_of(self, preset: str) -> str:
        """Return the record of the toolchain that builds a preset's artifacts."""
        return toolchain_record(self.presets[preset].get("toolchain", ""))

    def list_toolchains(self) -> list[str]:
        """Return the names of all toolchains that presets build or run with, or models are exported with, sorted."""
        names = [preset.get(key) for preset in self.presets.values() for key in ("toolchain", "runtime_toolchain")]
        exporting = [name for kind, name in EXPORTING_TOOLCHAINS.items() if self.models_of(kind)]
        return sorted({name for name in (*names, *exporting) if isinstance(name, str)})

    def parity_limits_of(self, preset: str, precision: str) -> dict[str, float]:
        """Return the limits that the outputs of an artifact are held to; {} where the preset names none."""
        return self.presets[preset]["parity"].get(precision, {})

    def list_brought(self, cell: CellLike) -> Json:
        """Return {brought: names of the attempts in the store} of a cell on a device that no job reaches, {} for any
        other: its run follows from what was brought back.
        """
        if self.devices[cell.device]["transport"] != "manual":
            return {}
        folder = run_folder(Cell(cell.model, cell.preset, cell.device, cell.precision))
        return {"brought": [path.name for path in list_attempt_folders(folder)]}

    # What the agent runs

    def parity_arm_of(self, cell: Any) -> Json:
        """Return what of a cell decides what its artifact computes: the agent's arm, less the artifact's path."""
        preset = self.presets[cell.preset]
        if preset["backend"] == "command":  # times its own calls; what the artifact computes, ONNX Runtime says
            return {"backend": "onnxruntime", "precision": cell.precision, "runtime": {}}
        return {"backend": preset["backend"], "precision": cell.precision, "runtime": preset["runtime"]}

    def arm_of(self, cell: CellLike) -> Json:
        """Return what of a cell decides how its artifact is measured.

        That is the arm of `parity_arm_of`, the interpreter that has its runtime, what of the model's processing the
        preset includes, and for a stage of a pipeline what happens between two calls.
        """
        name, source = self.runtime_toolchain_of(cell), self.models[cell.model]["source"]
        arm = self.parity_arm_of(cell) | ({"interpreter": toolchain_interpreter(name)} if name else {})
        preset = self.presets[cell.preset]
        if preset["backend"] == "command":
            arm |= {"backend": "command", "runtime": preset["runtime"], "variables": _name_variables(cell)}
            arm["program"] = _digest_program(preset["runtime"])
        between = self.pipelines[source["pipeline"]].get("between_calls") if source["kind"] == "stage" else None
        arm |= {"between_calls": between} if between else {}
        processing = self._processing_of(cell)
        return arm | ({"processing": processing} if processing else {})

    def _processing_of(self, cell: CellLike) -> Json:
        """Return what of a model's processing is inside the timed call: `before`, `after`, by name of the tensor."""
        declared = self.models[cell.model].get("processing", {})
        names = [PROCESSING[name] for name in self.presets[cell.preset].get("include", [])]
        return {name: declared[name] for name in names if name in declared}  # a stage of a pipeline declares none

    def runtime_toolchain_of(self, cell: CellLike) -> str | None:
        """Return the toolchain in which a cell is measured; None where ours will do, or the device has a Python."""
        device = self.devices[cell.device]
        if device["transport"] != "local" or device.get("interpreter"):
            return None
        return self.presets[cell.preset].get("runtime_toolchain")

    def runtimes_of(self, *cells: CellLike) -> list[str]:
        """Return the records of the toolchains that measuring these cells needs."""
        names = dict.fromkeys(map(self.runtime_toolchain_of, cells))
        return [toolchain_record(name) for name in names if name]

    def runs_in_our_python(self, cell: CellLike) -> bool:
        """Tell whether a cell is measured by the ONNX Runtime that is installed beside the workflow."""
        elsewhere = self.runtime_toolchain_of(cell) or self.devices[cell.device].get("interpreter")
        here = self.devices[cell.device]["transport"] == "local"
        return self.presets[cell.preset]["backend"] == "onnxruntime" and here and not elsewhere

    def parity_runtime_of(self, preset: str) -> list[str]:
        """Return the record of the toolchain in which this machine runs a preset's artifacts, if it is not ours."""
        name = self.presets[preset].get("runtime_toolchain")
        return [toolchain_record(name)] if name else []

    def parity_interpreter(self, preset: str, builder: str) -> str | None:
        """Return the interpreter that has a preset's runtime, None where ours will do.

        What a device has built runs in the Python that its configuration names: nobody else may have the runtime.
        """
        if builder in self.devices:
            return self.devices[builder].get("interpreter")
        name = self.presets[preset].get("runtime_toolchain")
        return toolchain_interpreter(name) if name else None

    # Devices

    def describe_device(self, device: str) -> Json:
        """Return what of a device decides how it is measured and what it is called in a comparison."""
        left_out = ("description", *LINK_KEYS)
        return {"name": device} | {key: value for key, value in self.devices[device].items() if key not in left_out}


def _name_variables(cell: CellLike) -> dict[str, str]:
    """Return what a command of the user's own is told of its cell, as EdgeEnv's contract names it."""
    place = "/".join((cell.model, cell.preset, cell.device, cell.precision))
    return {"BENCHMARK_NAME": place, "MODEL_NAME": cell.model, "TARGET_NAME": cell.device}


def _digest_program(runtime: Json) -> dict[str, str]:
    """Return the digests of the files that a command names: another program is another measurement.

    Links, such as the Python of an environment, are left out; UserError for a command that cannot be split.
    """
    try:
        words = shlex.split(runtime["command"])
    except ValueError as error:
        raise UserError(f"runtime.command is {runtime['command']!r}: {error}") from error
    places = {word: Path(runtime.get("working_directory", "."), word) for word in words}
    digests = {
        word: digest_user_file(path) for word, path in places.items() if path.is_file() and not path.is_symlink()
    }
    return {word: digest for word, digest in digests.items() if digest}
