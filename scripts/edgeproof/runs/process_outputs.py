"""What the processes of a session computed, and in which order they took their inputs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors

from .attempt_remedies import name_remedy, naming_remedy
from .sessions import Session, process_folder


def worst_output_difference(session: Session, reference: Mapping[str, npt.NDArray[Any]]) -> float | None:
    """Return the largest difference between the outputs of the processes and those of the builder.

    Relative L2; for integers and booleans, which have no distance, the share of values that differ. Both ran the same
    artifact on the same input, so only the kernels of the two machines may differ. Infinite if an output is missing,
    has another shape, or is not finite; None if there is nothing to compare.
    """
    differences: list[float] = []
    for slot in session.samples:
        with naming_remedy(session.folder):
            outputs = read_tensors(process_folder(session.folder, slot) / "outputs.npz")
        differences.extend(_difference(outputs.get(name), expected) for name, expected in reference.items())
    return max(differences, default=None)


def require_turns(session: Session) -> None:
    """Raise UserError unless the outputs of processes show that each took its inputs in turn, as results assume."""
    for process in session.record["processes"]:
        if process["status"] == "ok":
            path = process_folder(session.folder, process["slot"]) / "inputs.npy"
            try:
                labels: npt.NDArray[Any] = np.load(path, allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise UserError(f"{path}: cannot be read ({error}){name_remedy(path)}") from error
            turns = np.arange(len(session.samples[process["slot"]])) % process["inputs"]
            if not np.array_equal(labels, turns):
                raise UserError(f"{path}: the inputs were not taken in turn{name_remedy(path)}")


def _difference(actual: npt.NDArray[Any] | None, expected: npt.NDArray[Any]) -> float:
    if actual is None or actual.shape != expected.shape:
        return float("inf")
    if expected.dtype.kind in "iubU":
        return float((actual != expected).mean()) if expected.size else 0.0
    if actual.dtype.kind not in "biufc" or not np.isfinite(actual).all():
        return float("inf")
    wanted = expected.astype("float64")
    return float(np.linalg.norm(actual.astype("float64") - wanted) / max(float(np.linalg.norm(wanted)), 1e-12))
