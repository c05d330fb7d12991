"""Every graph of the corpus in every precision of ONNX Runtime: the right class of outcome, and no wrong `passed`.

Parity is recomputed here with bare ONNX Runtime, from the samples and the two files.
"""

import itertools

import numpy as np
import onnxruntime
import pytest
from edgeproof.core.documents import read_json
from edgeproof.core.tensors import read_tensors

from .conftest import Job
from .corpus import CORPUS, make_corpus_model

pytestmark = [pytest.mark.campaign, pytest.mark.usefixtures("infer_here")]
PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic")
LIMITS = {"max_relative_l2": 0.05, "min_cosine": 0.9}
FAILED = {  # what ONNX Runtime's tools cannot build in fp32 already, and why
    "unknown-operator": "unsupported_operator",
    "quantised": "unusable_input",
    "half": "precision_not_held",
    "double": "precision_not_held",
}
RANDOM = ("random-inside",)  # computes something else each time, so nobody can compute its figures again
JUDGED = {"not-finite": ("failed", "not_finite")}
BUILT = {"unsupported_operator", "conversion_failed", "precision_not_held", "unusable_input"}


@pytest.mark.parametrize("name", sorted(CORPUS))
def test_the_outcome_is_right_in_every_precision(tmp_path, name):
    job = Job(tmp_path, make_corpus_model(name), count=6, whole=CORPUS[name].whole)
    identity = read_json(job.identity, "identity")
    assert identity["status"] == "ok", identity["reason"]
    for precision in PRECISIONS:
        manifest = job.build(precision)
        document = job.check(precision, thresholds=LIMITS, task="none")
        if manifest["status"] == "failed":
            assert manifest["reason"]["kind"] in BUILT and document["reason"]["kind"] == "build_failed"
            assert "Traceback" not in manifest["reason"]["message"] and "/tmp/" not in manifest["reason"]["message"]
            if precision == "fp32":
                assert manifest["reason"]["kind"] == FAILED[name]
            continue
        assert precision != "fp32" or name not in FAILED
        if precision == "fp32":
            status, kind = JUDGED.get(name, ("passed", None))
            assert (document["status"], document["reason"] and document["reason"]["kind"]) == (status, kind)
        if document["status"] == "passed" and name not in RANDOM:
            compare_with_bare_runtime(job, precision, document)


def compare_with_bare_runtime(job, precision, document):
    """Check the figures of a passed parity, and that they deserve it, with nothing of ours."""
    arrays = read_tensors(job.evaluation)
    whole = set(arrays.pop("whole_inputs", ()))
    sessions = [
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in (job.source, job.folder / precision / "artifact.onnx")
    ]
    batch = next((size for item in sessions[0].get_inputs() if item.name not in whole for size in item.shape[:1]), 1)
    batch = batch if isinstance(batch, int) and batch > 1 and not whole else 1
    rows = [[], []]
    for first in range(0, document["evaluation"]["count"], batch):
        places = [min(first + step, document["evaluation"]["count"] - 1) for step in range(batch)]
        feed = {
            key.removeprefix("inputs/"): value[first, ...] if key.removeprefix("inputs/") in whole else value[places]
            for key, value in arrays.items()
        }
        for side, session in enumerate(sessions):
            rows[side].append(session.run(None, feed))
    for place, output in enumerate(document["outputs"]):
        left, right = ([np.asarray(row[place]) for row in side] for side in rows)
        assert all(a.shape == b.shape for a, b in zip(left, right, strict=True))
        if left[0].dtype.kind != "f":
            equal = [(np.asarray(a) == np.asarray(b)).ravel() for a, b in zip(left, right, strict=True)]
            share = float(np.concatenate(equal).mean()) if sum(item.size for item in equal) else 1.0
            assert output["equal_share"] == pytest.approx(share, abs=0.02 if batch > 1 else 1e-9) and share >= 0.99
            continue
        a, b = (np.concatenate([row.astype("float64").ravel() for row in side]) for side in (left, right))
        distance = float(np.linalg.norm(a - b) / np.linalg.norm(a)) if a.any() else 0.0
        assert output["relative_l2"] == pytest.approx(distance, rel=1e-6 if batch == 1 else 0.2, abs=1e-9)
        assert distance <= LIMITS["max_relative_l2"]


def test_the_corpus_covers_what_it_claims():
    models = [make_corpus_model(name) for name in CORPUS]
    versions = {item.version for model in models for item in model.opset_import if not item.domain}
    assert len(models) >= 60 and set(range(7, 23)) <= versions
    assert {3, 11} <= {model.ir_version for model in models}
    operators = set(itertools.chain.from_iterable((node.op_type for node in model.graph.node) for model in models))
    assert {"If", "Loop", "LSTM", "GRU", "NonMaxSuppression", "QuantizeLinear", "ArgMax", "TopK"} <= operators
