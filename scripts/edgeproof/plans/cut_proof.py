"""Proves that the stages of a cut model, run one after another, compute what the whole model computes."""

import dataclasses
import sys
from pathlib import Path
from typing import TypedDict

import numpy as np

from edgeproof.agent.machine import describe_machine
from edgeproof.agent.messages import tell
from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.artifacts.agreement.output_agreement import Entries, find_parting, measure_agreement, pair_outputs
from edgeproof.artifacts.agreement.parity import REFERENCE_ARM
from edgeproof.artifacts.records.deciding_code import digest_agent, digest_deciding_code
from edgeproof.artifacts.records.package_versions import find_package_version
from edgeproof.core.attempts import Attempt, find_attempts, open_attempt
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, is_file, sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.sources.input_faults import find_samples_fault

# Relative L2, or share of unequal integers: the largest effect of adding the same float32 numbers in another order.
LIMIT = 1e-5
CUT = "cut.json"  # what the store calls a proof
_CODE = "scripts/edgeproof/plans/cut_proof.py"


class Part(TypedDict):
    """Paths of a model: model.onnx, its identity and its evaluation set."""

    model: str
    identity: str
    evaluation: str


_KEYS = ("max_abs", "relative_l2", "cosine_min", "top1_agreement", "equal_share")


def prove_cut(pipeline: str, whole: Part, stages: list[Part], reads: list[list[int]], output: str | Path) -> None:
    """Prove a cut: compare the composed stages with the whole model, and write `cut.json` (`edgeproof.cut.v3`).

    `reads`: per stage the numbers of the stages that it reads. They are compared on the evaluation set. A stage's
    evaluation set is what the stages before it computed from the whole model's set, so the last stage on its own set is
    the composition. Different outputs are a verdict, `failed`, and so is a model that cannot be used. A proof with the
    same key is used as it is. UserError when the files do not belong together or a model does not run.
    """
    document = _describe_cut(pipeline, whole, stages, reads)
    if document["status"] == "failed":  # there is nothing to run
        write_json(output, document, "cut")
        return
    place, key = Path(output).parent, _compose_proof_key(document)
    kept = next((attempt for attempt in find_attempts(place, key, spares=True) if _is_whole(attempt)), None)
    if kept is None:
        with open_attempt(place, "cut-proof", key, describe_machine()) as attempt:
            _compare_outputs(document, whole, stages[-1])
            write_json(attempt.folder / CUT, document, "cut")
            kept = attempt.complete(sha256=sha256_file(attempt.folder / CUT))
    else:
        tell(f"the same proof is in {kept.folder}; nothing is run")
    atomic_write(output, (kept.folder / CUT).read_bytes())


def _is_whole(attempt: Attempt) -> bool:
    path = attempt.folder / CUT
    if is_file(path) and sha256_file(path) == attempt.record["facts"]["sha256"]:
        return True
    tell(f"{attempt.folder} is not used: {CUT} is gone, or was changed")
    return False


def _compose_proof_key(document: Json) -> Json:
    """Return the key of a proof: what is compared, and what compares it."""
    parts = {name: document[name] for name in ("pipeline", "model", "stages", "evaluation", "macs")}
    return compose_key(
        {
            **parts,
            "runtime": {"onnxruntime": find_package_version("onnxruntime")},
            "code": {"proving": digest_deciding_code(_CODE), "agent": digest_agent()},
        }
    )


def _describe_cut(pipeline: str, whole: Part, stages: list[Part], reads: list[list[int]]) -> Json:
    """Return the document before anything ran; `failed` where a model cannot be used."""
    identity, chain = read_json(whole["identity"], "identity"), [_describe_stage(stage) for stage in stages]
    fault = _find_fault(whole, *stages)
    return {
        "schema": "edgeproof.cut.v3",
        "pipeline": pipeline,
        "status": "failed" if fault else "passed",
        "reason": fault,
        "provenance": "measured",
        "model": {"name": identity["model"], "sha256": identity["sha256"]},
        "stages": chain,
        "evaluation": {
            "count": 0 if fault else _check_joints(stages, reads),
            "sha256": sha256_file(whole["evaluation"]),
        },
        "limit_relative_l2": LIMIT,
        "outputs": [],
        "macs": {"whole": identity["macs"], "stages": sum(row["macs"] for row in chain)},
    }


def _find_fault(*parts: Part) -> str | None:
    """Return what is permanently wrong with the first model that cannot be used, or with its samples."""
    for part in parts:
        identity = read_json(part["identity"], "identity")
        reason = identity.get("reason") or find_samples_fault(part["evaluation"])
        if reason:
            return f"{identity['model']}: {reason['message']}"
    return None


def _compare_outputs(document: Json, whole: Part, last: Part) -> None:
    """Run the whole model and the last stage, and enter how their outputs differ."""
    count = document["evaluation"]["count"]
    pairs = pair_outputs(_infer(whole, count), _infer(last, count))
    if isinstance(pairs, str):
        raise UserError(f"{document['pipeline']}: {pairs}")
    outputs = []
    for name, left, _, right in pairs:
        if parting := find_parting(name, left, right):
            raise UserError(f"{document['pipeline']}: {parting}")
        agreement = dataclasses.asdict(measure_agreement(left, right))
        outputs.append({"name": name, "shape": list(left[0].shape)} | {key: agreement[key] for key in _KEYS})
    reasons = [
        f"output {row['name']!r} differs by {difference} ({what}), limit {LIMIT}"
        for row in outputs
        for difference, what in [_difference(row)]
        if difference is None or difference > LIMIT
    ]
    macs = document["macs"]
    if macs["whole"] != macs["stages"]:
        reasons.append(f"the stages have {macs['stages']} multiplications, the whole {macs['whole']}")
    document |= {"status": "failed" if reasons else "passed", "reason": "; ".join(reasons) or None, "outputs": outputs}


def _difference(row: Json) -> tuple[float, str]:
    """Return (how far an output differs, as what): integers and booleans are equal or not."""
    if row["equal_share"] is not None:
        return 1 - row["equal_share"], "share of values"
    return row["relative_l2"], "relative L2"


def _check_joints(stages: list[Part], reads: list[list[int]]) -> int:
    """Return the number of samples; UserError when a stage does not read what those before it write."""
    identities = [read_json(stage["identity"], "identity") for stage in stages]
    for identity, numbers in zip(identities, reads, strict=True):
        before = [identities[number] for number in numbers]
        if numbers and [item for other in before for item in other["outputs"]] != identity["inputs"]:
            names = ", ".join(other["model"] for other in before)
            raise UserError(f"{identity['model']}: does not read what {names} makes")
    with np.load(stages[-1]["evaluation"], allow_pickle=False) as archive:
        return len(archive[archive.files[0]])


def _describe_stage(stage: Part) -> Json:
    """Return the row of a stage in the document."""
    identity = read_json(stage["identity"], "identity")
    return {
        "model": identity["model"],
        "sha256": identity["sha256"],
        "inputs": [item["name"] for item in identity["inputs"]],
        "outputs": [item["name"] for item in identity["outputs"]],
        "macs": identity["macs"],
        "evaluation_sha256": sha256_file(stage["evaluation"]),
    }


def _infer(part: Part, count: int) -> dict[str, Entries]:
    found = infer_outputs(sys.executable, REFERENCE_ARM, part["model"], part["evaluation"], limit=count)
    if found.outputs is None:
        raise UserError(f"{part['model']}: does not run: {(found.reason or {}).get('message', 'no outputs')}")
    return found.outputs
