"""Measuring one cell: a session of fresh processes on its device, and the result that follows from it."""

import sys

import numpy as np

from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell, relative_to_repository
from edgeproof.core.tensors import read_tensors

from .raw_samples import path_beside, write_samples
from .results import build_result
from .sessions import digest_agent, process_folder, run_session


def measure_run(cell, task, arm, device, protocol, interpreter, paths):
    """Measure one cell and write `result.json` and `samples.csv`.

    `cell`: {model, preset, device, precision}. `arm`: backend, precision, runtime options. `paths`: artifact, manifest,
    reference, identity, inputs, result, samples. A verdict about the artifact (it does not load, its output is wrong,
    …) is a result with a status; UserError when no verdict was reached, and then neither file is written. A session
    that is unstable is measured again, as often as the protocol allows; the result is of the last one and names those
    before it. Whether a session is stable does not depend on how fast it was, so that this selects no favourable
    number.
    """
    cell = Cell(**cell)
    manifest = read_manifest(paths["manifest"])
    identity = read_json(paths["identity"], "identity")
    facts = {
        "cell": {**cell._asdict(), "builder": manifest["cell"]["builder"]},
        "task": task,
        "arm": arm,
        "device": device,
        "protocol": protocol,
        "identity": identity,
        "artifact_bytes": manifest["artifact"]["bytes"],
        "digests": {
            "model": identity["sha256"],
            "artifact": manifest["artifact"]["sha256"],
            "manifest": sha256_file(paths["manifest"]),
            "inputs": sha256_file(paths["inputs"]),
            "agent": digest_agent(),
        },
    }
    if path_beside(paths["result"]) != path_beside(paths["samples"]):
        raise UserError(f"{paths['samples']}: must be samples.csv beside the result")
    if manifest["status"] != "ok":
        samples = []
        result = build_result(facts, manifest, None, samples)
    else:
        if sha256_file(paths["artifact"]) != manifest["artifact"]["sha256"]:
            raise UserError(
                f"{paths['artifact']}: its sha256 is not the one in {paths['manifest']}; rebuild the artifact"
            )
        reference = read_tensors(paths["reference"])
        arms = {"candidate": {**arm, "artifact": str(paths["artifact"])}}
        order = ["candidate"] * protocol["processes"]
        facts["unstable_before"] = []
        for left in range(protocol.get("repeats_when_unstable", 0), -1, -1):
            place = (paths["inputs"], device, protocol, interpreter)
            session = run_session(paths["result"].parent, str(cell), arms, order, *place)
            samples = [session.samples[slot] for slot in sorted(session.samples)]
            facts["output_difference"] = worst_output_difference(session, reference)
            facts["attempt"] = relative_to_repository(session.attempt)
            result = build_result(facts, manifest, session.record, samples)
            if result["status"] != "unstable" or not left:
                break
            message = result["reason"]["message"]
            facts["unstable_before"].append({"attempt": facts["attempt"], "message": message})
            print(f"{cell}  unstable, measuring again (at most {left} times): {message}", file=sys.stderr, flush=True)
    write_samples(paths["samples"], samples)
    result["digests"] = facts["digests"] | {"samples": sha256_file(paths["samples"])}
    write_sealed(paths["result"], result, "result")


def worst_output_difference(session, reference):
    """Return the largest relative L2 difference between what the processes computed and what the builder did, or None.

    Both ran the same artifact on the same input, so only the kernels of the two machines may differ. Infinite when an
    output is missing, has another shape, or is not finite.
    """
    differences = []
    for slot in session.samples:
        outputs = read_tensors(process_folder(session.folder, slot) / "outputs.npz")
        differences.extend(_relative_l2(outputs.get(name), expected) for name, expected in reference.items())
    return max(differences, default=None)


def _relative_l2(actual, expected):
    if actual is None or actual.shape != expected.shape or not np.isfinite(actual).all():
        return float("inf")
    expected = expected.astype("float64")
    return float(np.linalg.norm(actual.astype("float64") - expected) / max(np.linalg.norm(expected), 1e-12))
