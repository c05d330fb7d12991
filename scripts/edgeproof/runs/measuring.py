"""Measure one cell: a session of fresh processes on its device, and the result that follows from it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.agent.machine import describe_machine
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.configuration import Arm, Json
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_bytes, sha256_file
from edgeproof.core.layout import Cell, relative_to_repository
from edgeproof.core.tensors import read_tensors
from edgeproof.sources.input_faults import find_samples_fault

from .raw_samples import path_beside, render_samples
from .results import CellFacts, build_result
from .sessions import Samples, Session, SessionSetup, digest_agent, process_folder, run_session


@dataclass(frozen=True)
class RunPaths:
    """The files of a run: everything up to `identity` is read, `result` and `samples` are written beside each other."""

    artifact: Path
    manifest: Path
    reference: Path
    identity: Path
    result: Path
    samples: Path


def measure_run(cell: Cell, task: str, arm: Arm, setup: SessionSetup, paths: RunPaths) -> None:
    """Measure one cell and write `result.json` and `samples.csv`.

    `task`: the model's. `arm`: backend, precision, runtime options. A verdict about the artifact (it does not load, its
    output is wrong, …) is a result with a status. UserError if no verdict was reached; then neither file is written.

    An unstable session is measured again, as often as the protocol allows. The result is of the last session and names
    those before it. Stability does not depend on speed, so this does not select a favourable number.
    """
    manifest: Json = read_manifest(paths.manifest)
    if manifest["status"] == "ok" and (fault := find_samples_fault(setup.inputs)):
        manifest = {**manifest, "status": "failed", "reason": fault}  # an artifact that there is nothing to run with
    if path_beside(paths.result) != path_beside(paths.samples):
        raise UserError(f"{paths.samples}: must be samples.csv beside the result")
    facts = _collect_facts(cell, task, arm, manifest, setup, paths)
    if manifest["status"] != "ok":
        samples = render_samples([])
        facts["digests"]["samples"] = sha256_bytes(samples.encode())
        result = build_result(facts, manifest, None, [])
    else:
        if sha256_file(paths.artifact) != manifest["artifact"]["sha256"]:
            raise UserError(f"{paths.artifact}: its sha256 is not the one in {paths.manifest}; rebuild the artifact")
        result, samples = _measure_until_stable(facts, manifest, setup, paths)
    atomic_write(paths.samples, samples)
    write_sealed(paths.result, result, "result")


def worst_output_difference(session: Session, reference: dict[str, npt.NDArray[Any]]) -> float | None:
    """Return the largest difference between the outputs of the processes and those of the builder.

    Relative L2; for integers and booleans, which have no distance, the share of values that differ. Both ran the same
    artifact on the same input, so only the kernels of the two machines may differ. Infinite if an output is missing,
    has another shape, or is not finite; None if there is nothing to compare.
    """
    differences: list[float] = []
    for slot in session.samples:
        outputs = read_tensors(process_folder(session.folder, slot) / "outputs.npz")
        differences.extend(_difference(outputs.get(name), expected) for name, expected in reference.items())
    return max(differences, default=None)


def _collect_facts(cell: Cell, task: str, arm: Arm, manifest: Json, setup: SessionSetup, paths: RunPaths) -> CellFacts:
    identity = read_json(paths.identity, "identity")
    return {
        "cell": {**cell._asdict(), "builder": manifest["cell"]["builder"]},
        "task": task,
        "arm": arm,
        "device": setup.device,
        "protocol": setup.protocol,
        "identity": identity,
        "artifact_bytes": manifest["artifact"]["bytes"],
        "digests": {
            "model": identity["sha256"],
            "artifact": manifest["artifact"]["sha256"],
            "manifest": sha256_file(paths.manifest),
            "inputs": sha256_file(setup.inputs),
            "agent": digest_agent(),
        },
    }


def _measure_until_stable(facts: CellFacts, manifest: Json, setup: SessionSetup, paths: RunPaths) -> tuple[Json, str]:
    """Return the result of the last session and the text of its samples; `facts` gets what the sessions add."""
    label = "/".join(facts["cell"][field] for field in Cell._fields)
    reference = read_tensors(paths.reference)
    arms = {"candidate": {**facts["arm"], "artifact": str(paths.artifact)}}
    order = ["candidate"] * setup.protocol["processes"]
    unstable: list[dict[str, str]] = []
    repeats = setup.protocol.get("repeats_when_unstable", 0)
    for left in range(repeats, -1, -1):
        session = run_session(paths.result.parent, label, arms, order, setup, repeats - left)
        samples: list[Samples] = [session.samples[slot] for slot in sorted(session.samples)]
        text = render_samples(samples)
        facts["digests"]["samples"] = sha256_bytes(text.encode())
        attempt = relative_to_repository(session.attempt)
        facts["output_difference"] = worst_output_difference(session, reference)
        facts["attempt"], facts["unstable_before"] = attempt, unstable
        facts["machine"] = session.machine
        facts["elsewhere"] = session.machine["id"] != describe_machine()["id"]
        result = build_result(facts, manifest, session.record, samples)
        if result["status"] != "unstable" or not left:
            return result, text
        message = result["reason"]["message"]
        unstable = [*unstable, {"attempt": attempt, "message": message}]
        print(f"{label}  unstable, measuring again (at most {left} times): {message}", file=sys.stderr, flush=True)
    raise AssertionError("a protocol has at least one session")


def _difference(actual: npt.NDArray[Any] | None, expected: npt.NDArray[Any]) -> float:
    if actual is None or actual.shape != expected.shape or not np.isfinite(actual).all():
        return float("inf")
    if expected.dtype.kind in "iub":
        return float((actual != expected).mean()) if expected.size else 0.0
    wanted = expected.astype("float64")
    return float(np.linalg.norm(actual.astype("float64") - wanted) / max(float(np.linalg.norm(wanted)), 1e-12))
