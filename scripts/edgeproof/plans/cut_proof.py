"""Proves that the stages of a cut model, run one after another, compute what the whole model computes."""

import dataclasses
import sys
from pathlib import Path
from typing import TypedDict

import numpy as np

from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.artifacts.agreement.output_agreement import measure_agreement, pair_outputs
from edgeproof.artifacts.agreement.parity import REFERENCE_ARM
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file

# Relative L2, or share of unequal integers: the largest effect of adding the same float32 numbers in another order.
LIMIT = 1e-5


class Part(TypedDict):
    """Paths of a model: model.onnx, its identity and its evaluation set."""

    model: str
    identity: str
    evaluation: str


_KEYS = ("max_abs", "relative_l2", "cosine_min", "top1_agreement", "equal_share")


def prove_cut(pipeline: str, whole: Part, stages: list[Part], output: str | Path) -> None:
    """Prove a cut: compare the composed stages with the whole model, and write `cut.json` (`edgeproof.cut.v2`).

    They are compared on the evaluation set. A stage's evaluation set is what the stages before it computed from the
    whole model's set, so the last stage on its own set is the composition. Different outputs are a verdict, `failed`.
    UserError when the files do not belong together or a model does not run.
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


def _difference(row: Json) -> tuple[float, str]:
    """Return (how far an output differs, as what): integers and booleans are equal or not."""
    if row["equal_share"] is not None:
        return 1 - row["equal_share"], "share of values"
    return row["relative_l2"], "relative L2"


def _check_chain(stages: list[Part]) -> tuple[int, list[Json]]:
    """Return (samples, rows of the document); UserError when a stage does not read what the one before writes."""
    rows, before, count = [], None, 0
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


def _infer(part: Part, count: int) -> dict[str, np.ndarray]:
    found = infer_outputs(sys.executable, REFERENCE_ARM, part["model"], part["evaluation"], limit=count)
    if found.outputs is None:
        raise UserError(f"{part['model']}: does not run: {(found.reason or {}).get('message', 'no outputs')}")
    return found.outputs
