"""`edgeproof verify --deep`: artifacts are built again from their models, and parity is computed again.

This runs what the rest of verifying never runs: the converters of this checkout on the model in the bundle, and ONNX
Runtime on model and artifact. No script and no option of the sender is used; see `artifacts.records.rebuilding`.
"""

import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from edgeproof.artifacts.agreement.parity import ParityJob, check_parity
from edgeproof.artifacts.records.rebuilding import rebuild_artifact
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import source_folder

from .claims import NOT_COVERED, RECOMPUTED, REFUTED, Claim, find_fault
from .ml_boms import list_artifacts

# Other processors compute other last digits, and int8 kernels other roundings: metrics may differ by so much.
_RELATIVE, _ABSOLUTE = 0.05, 1e-3
_ONE_VALUE = ("max_abs",)  # hangs on one value of one sample, which may be another on another processor
_OPTIONS = {"execution_provider", "intra_op_threads", "inter_op_threads", "graph_optimization", "spinning"}


def check_deep(folder: Path, files: list[Json]) -> Iterator[Claim]:
    """Yield two claims on each artifact of a bundle that is unpacked below `folder`, whose manifest has these files."""
    paths = {entry["path"] for entry in files}
    for place, path, manifest in list_artifacts(files, folder):
        name = "/".join(place)
        source, built = source_folder(place[0]), str(Path(path).parent)
        needed = (
            *(f"{source}/{file}" for file in ("model.onnx", "identity.json", "samples/samples.json")),
            *(f"{source}/samples/{kind}.npz" for kind in ("calibration", "evaluation")),
            f"{built}/{manifest['artifact']['file']}",
        )
        for subject, check in ((f"{name} rebuilt", _rebuild), (f"{name} parity run again", _run_parity)):
            if missing := [file for file in needed if file not in paths]:
                told = f"{missing[0]} is not in the bundle; --artifacts packs it"
                yield Claim(subject, NOT_COVERED, told)
            else:
                yield _claim(subject, check, folder, path, manifest)


def _claim(subject: str, check: Callable[..., tuple[str, str]], folder: Path, path: str, manifest: Json) -> Claim:
    found: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="edgeproof-deep-") as place:
        fault = find_fault(lambda: found.append(check(folder, path, manifest, Path(place))))
    return Claim(subject, REFUTED, fault.replace(f"{folder}/", "")) if fault else Claim(subject, *found[0])


def _rebuild(folder: Path, path: str, manifest: Json, place: Path) -> tuple[str, str]:
    """Return (word, detail) of building an artifact again; UserError where the same tools build another one."""
    if manifest["cell"]["builder"] != "host":
        return NOT_COVERED, "was built on a device"
    if manifest.get("supplied"):
        return NOT_COVERED, "was supplied, so there is no build to repeat"
    try:
        record = rebuild_artifact(folder / path, place / "built")
    except UserError as error:  # a toolchain that is missing here says nothing about the bundle
        return NOT_COVERED, f"cannot be built here: {' '.join(str(error).split())}".replace(f"{folder}/", "")
    if record["verdict"] != "different":
        return RECOMPUTED, f"built again from the model, and {record['verdict']}"
    if tools := record["environment"]:
        return NOT_COVERED, f"other tools built another artifact ({tools[0]})"
    told = "; ".join(f"{item['member']}: {item['detail']}" for item in record["differences"][:1])
    raise UserError(f"{path}: the same tools build another artifact ({told or 'another status'})")


def _run_parity(folder: Path, path: str, manifest: Json, place: Path) -> tuple[str, str]:
    """Return (word, detail) of comparing artifact and model again; UserError where something else comes out."""
    built = (folder / path).parent
    claimed = read_json(built / "parity.json", "parity")
    arm = claimed["arm"]
    if arm["backend"] != "onnxruntime" or arm["runtime"].get("execution_provider") != "CPUExecutionProvider":
        return NOT_COVERED, f"{arm['backend']} is not run here; only ONNX Runtime on the CPU is"
    if unknown := sorted(set(arm["runtime"]) - _OPTIONS):
        return NOT_COVERED, f"asks for the runtime option {unknown[0]}, which is not taken from a bundle"
    if claimed["status"] == "not_run":
        return NOT_COVERED, "was not compared"
    source = folder / source_folder(manifest["cell"]["model"])
    job = ParityJob(
        cell=manifest["cell"],
        source=source / "model.onnx",
        artifact=built / manifest["artifact"]["file"],
        manifest=folder / path,
        inputs=source / "samples/evaluation.npz",
        samples=source / "samples/samples.json",
        arm=arm,
        thresholds={row["name"]: row["limit"] for row in claimed["thresholds"]},
        interpreter=sys.executable,
        parity=place / "parity.json",
        reference=place / "reference.npz",
        command=["edgeproof verify --deep"],
        task=claimed["task"],
    )
    check_parity(job)
    again, worst = read_json(place / "parity.json", "parity"), 0.0
    for name, value in claimed["metrics"].items():
        other = again["metrics"][name]
        if (value is None) != (other is None):
            raise UserError(f"{built}/parity.json: {name} is {value}, and {other} when it is computed again")
        if value is None or name in _ONE_VALUE:
            continue
        if not math.isclose(value, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE):
            raise UserError(f"{built}/parity.json: {name} is {value}, and {other} when it is computed again")
        worst = max(worst, abs(value - other))
    return RECOMPUTED, f"{len(again['outputs'])} outputs were computed again; metrics differ by at most {worst:.1g}"
