"""Proof that a cut model is the whole: the stages, one after another, compute what the whole computes."""

import dataclasses
import sys

import numpy as np

from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.artifacts.agreement.output_agreement import measure_agreement
from edgeproof.artifacts.agreement.parity import REFERENCE_ARM, pair_outputs
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file

LIMIT = (
    1e-5  # relative L2, or share of unequal integers; what another order of the same float32 sums may make, and no more
)
_KEYS = ("max_abs", "relative_l2", "cosine_min", "top1_agreement", "equal_share")


def prove_cut(pipeline, whole, stages, output):
    """Compare the composed stages with the whole on the evaluation set and write `cut.json` (`edgeproof.cut.v2`).

    `whole`, and each of `stages` in order: {model, identity, evaluation}, paths. A stage's evaluation set is what the
    stages before made of the whole's, so the last stage on its own set is the composition. Different outputs are a
    verdict, `failed`. UserError when the files do not belong together or a model does not run.
    """
    count, chain = _check_chain(stages)
    expected = _infer(whole, count)
    composed = _infer(stages[-1], count)
    pairs = pair_outputs(expected, composed)
    if isinstance(pairs, str):
        raise UserError(f"{pipeline}: {pairs}")
    outputs = []
    for name, left, _, right in pairs:
        agreement = dataclasses.asdict(measure_agreement(left, right, count))
        outputs.append({"name": name, "shape": list(left.shape)} | {key: agreement[key] for key in _KEYS})
    reasons = [
        f"output {row['name']!r} differs by {difference} ({what}), limit {LIMIT}"
        for row in outputs
        for difference, what in [_difference(row)]
        if difference is None or difference > LIMIT
    ]
    identity = read_json(whole["identity"], "identity")
    macs = {"whole": identity["macs"], "stages": sum(row["macs"] for row in chain)}
    if macs["whole"] != macs["stages"]:
        reasons.append(f"the stages have {macs['stages']} multiplications, the whole {macs['whole']}")
    document = {
        "schema": "edgeproof.cut.v2",
        "pipeline": pipeline,
        "status": "failed" if reasons else "passed",
        "reason": "; ".join(reasons) or None,
        "provenance": "measured",
        "model": {"name": identity["model"], "sha256": identity["sha256"]},
        "stages": chain,
        "evaluation": {"count": count, "sha256": sha256_file(whole["evaluation"])},
        "limit_relative_l2": LIMIT,
        "outputs": outputs,
        "macs": macs,
    }
    write_json(output, document, "cut")


def _difference(row):
    """Return (how far an output differs, as what): integers and booleans are equal or not."""
    if row["equal_share"] is not None:
        return 1 - row["equal_share"], "share of values"
    return row["relative_l2"], "relative L2"


def _check_chain(stages):
    """Return (samples, rows of the document); UserError unless every stage reads what the one before makes."""
    rows, before, count = [], None, None
    for stage in stages:
        identity = read_json(stage["identity"], "identity")
        with np.load(stage["evaluation"], allow_pickle=False) as archive:
            count = len(archive[archive.files[0]])
        if before is not None and before["outputs"] != identity["inputs"]:
            raise UserError(f"{identity['model']}: does not read what {before['model']} makes")
        before = identity
        rows.append(
            {
                "model": identity["model"],
                "sha256": identity["sha256"],
                "inputs": [item["name"] for item in identity["inputs"]],
                "outputs": [item["name"] for item in identity["outputs"]],
                "macs": identity["macs"],
                "evaluation_sha256": sha256_file(stage["evaluation"]),
            }
        )
    return count, rows


def _infer(part, count):
    found = infer_outputs(sys.executable, REFERENCE_ARM, part["model"], part["evaluation"], limit=count)
    if found.reason:
        raise UserError(f"{part['model']}: does not run: {found.reason['message']}")
    return found.outputs
