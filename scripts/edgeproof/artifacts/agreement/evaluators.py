"""Evaluators: a program of the user's that gives every sample a score, for tasks that we know nothing of.

It is called as `python SCRIPT OUTPUTS EVALUATION SCORES`: OUTPUTS is an npz with what a model gave (`outputs/{name}`,
one entry per sample), EVALUATION the evaluation set, and SCORES the npy file that it writes, float64 of shape (n,).
Higher is better.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import write_tensors

from .output_agreement import Entries

_CONFIDENCE = 0.95


def judge_scores(script: str, both: tuple[Mapping[str, Entries], Mapping[str, Entries]], inputs: str | Path) -> Json:
    """Return the `score` of a parity document: the mean scores that the user's evaluator gives both models.

    Their difference has the interval of the paired t-test over samples. `both`: outputs of the source and of the
    artifact. UserError if the evaluator fails or gives no finite score per sample.
    """
    reference, candidate = (_run_evaluator(script, outputs, inputs) for outputs in both)
    if len(reference) != len(candidate):
        raise UserError(f"{script}: gave {len(reference)} scores for the source and {len(candidate)} for the artifact")
    differences, count = candidate - reference, len(reference)
    mean = float(differences.mean())
    half = None
    if count > 1:
        spread = float(differences.std(ddof=1)) / math.sqrt(count)
        half = student_t_quantile((1 + _CONFIDENCE) / 2, count - 1) * spread
    return {
        "evaluator": script,
        "sha256": sha256_file(script),
        "reference": float(reference.mean()),
        "candidate": float(candidate.mean()),
        "difference": mean,
        "low": None if half is None else mean - half,
        "high": None if half is None else mean + half,
        "confidence": _CONFIDENCE,
        "count": count,
    }


def _run_evaluator(script: str, outputs: Mapping[str, Entries], inputs: str | Path) -> np.ndarray:
    with tempfile.TemporaryDirectory(prefix="edgeproof-evaluator-") as folder:
        given, scores = Path(folder, "outputs.npz"), Path(folder, "scores.npy")
        try:
            write_tensors(given, {f"outputs/{name}": np.stack(entries) for name, entries in outputs.items()})
        except ValueError as error:
            raise UserError(
                f"{script}: an output has another shape in each sample, and evaluators get arrays"
            ) from error
        command = [sys.executable, script, str(given), str(inputs), str(scores)]
        process = subprocess.run(command, capture_output=True, text=True, errors="replace")
        said = (process.stderr.strip().splitlines() or ["no message"])[-1]
        if process.returncode or not scores.is_file():
            raise UserError(f"{script}: the evaluator ended with {process.returncode} and no scores: {said}")
        try:
            found = np.load(scores, allow_pickle=False)
        except ValueError as error:
            raise UserError(f"{script}: its scores are no npy file of numbers ({error})") from error
    if found.ndim != 1 or not len(found) or found.dtype.kind not in "fiub" or not np.isfinite(found).all():
        raise UserError(f"{script}: scores are {found.dtype.name} of shape {found.shape}; one finite number per sample")
    return found.astype(np.float64)
