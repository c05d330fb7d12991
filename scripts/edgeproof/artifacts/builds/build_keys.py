"""The key of a build: what decides the bytes of its artifact. A build with an equal key need not be done again."""

from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.artifacts.records.deciding_code import digest_converter_code, digest_deciding_code
from edgeproof.artifacts.records.formats import FORMATS, list_host_tools
from edgeproof.artifacts.records.manifest_entries import digest_entry_file
from edgeproof.artifacts.records.package_versions import find_package_version
from edgeproof.core.configuration import Json
from edgeproof.core.files import is_file
from edgeproof.core.keys import compose_key

from .build_job import BuildJob, read_job_file

_FOLDER = "scripts/edgeproof/artifacts/builds"
_CODE = {  # format: the module that builds it; the others come from a converter
    "onnx": f"{_FOLDER}/onnx_artifacts.py",
    "json": f"{_FOLDER}/fake_artifacts.py",
    "engine": f"{_FOLDER}/tensorrt_engines.py",
    "rknn": f"{_FOLDER}/rknn_artifacts.py",
}
_CONVERTED_CODE = f"{_FOLDER}/converted_artifacts.py"
_QUANTISING_CODE = f"{_FOLDER}/onnx_precisions.py"
_SAVED_MODEL_CODE = f"{_FOLDER}/saved_models.py"
_CALIBRATES_ONLY = {"tensorrt": "tensorrt_calibration"}  # trtexec builds, and a converter calibrates int8


def compose_build_key(job: BuildJob, device_tools: Json | None = None) -> Json:
    """Return the key of a build, {sha256, parts}.

    `device_tools`: versions of the tools and drivers of the device that builds; then its identity is a part too.
    """
    kind, int8 = FORMATS[job.preset["artifact"]], job.precision == "int8"
    host_tools = {name: find_package_version(name) for name in list_host_tools(job.preset, job.precision)}
    parts = {
        "cell": job.cell,
        "source": read_job_file(job.identity)["sha256"],
        "preset": job.preset,
        "calibration": digest_entry_file(job.calibration) if int8 and job.calibration else None,
        "toolchain": {"lock": _read_lock(job.toolchain), "host": host_tools, "device": device_tools},
        "code": {
            "building": digest_deciding_code(_CODE.get(job.preset["artifact"], _CONVERTED_CODE)),
            "quantising": digest_deciding_code(_QUANTISING_CODE) if kind.packages and host_tools else None,
            "converter": _digest_converter(kind.converter, int8),
        },
        "saved_model": _describe_saved_model(job.saved_model),
        "supplied": _digest_supplied(job.supplied),
        "machine": (job.machine or describe_machine())["id"] if device_tools is not None else None,
    }
    return compose_key(parts)


def compose_saved_model_key(identity: str | Path, toolchain: Json) -> Json:
    """Return the key of a build that makes a SavedModel. `toolchain`: the record of the one that converts."""
    known = read_job_file(identity)
    parts = {
        "model": known["model"],
        "source": known["sha256"],
        "toolchain": {"lock": toolchain["lock"]["sha256"]},
        "code": {
            "building": digest_deciding_code(_SAVED_MODEL_CODE),
            "converter": digest_converter_code("saved_model"),
        },
    }
    return compose_key(parts)


def _digest_supplied(supplied: Json | None) -> Json | str | None:
    """Return the digest of an artifact of the user's, of its weights and its record; None if its file is not there."""
    if not supplied or not is_file(supplied["file"]):
        return None
    digest, weights = digest_entry_file(supplied["file"]), Path(supplied["file"]).with_suffix(".bin")
    further = [weights] if supplied["file"].endswith(".xml") else []
    further += [Path(supplied["record"])] if "record" in supplied else []
    found = {path.name: digest_entry_file(path) for path in further if is_file(path)}
    return {"file": digest, **found} if further else digest


def _digest_converter(name: str | None, int8: bool) -> str | None:
    if name in _CALIBRATES_ONLY:
        return digest_converter_code(_CALIBRATES_ONLY[name]) if int8 else None
    return digest_converter_code(name) if name else None


def _read_lock(toolchain: str | Path | None) -> str | None:
    return read_job_file(toolchain)["lock"]["sha256"] if toolchain else None


def _describe_saved_model(record: str | Path | None) -> Json | None:
    """Return what of a SavedModel decides what is made from it; its times do not."""
    if record is None:
        return None
    made = read_job_file(record)
    return {"status": made["status"], "artifact": made["artifact"]["sha256"], "interface": made["interface"]}
