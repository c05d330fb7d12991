"""What a device makes of integers is compared by how many are equal, not by their angle."""

from types import SimpleNamespace

import numpy as np
import pytest
from edgeproof.core.tensors import write_tensors
from edgeproof.runs import process_outputs
from edgeproof.runs.process_outputs import worst_output_difference


@pytest.mark.parametrize(
    ("expected", "actual", "difference"),
    [
        (np.array([[100, 200]]), np.array([[101, 200]]), 0.5),  # relative L2: 0.004
        (np.array([[True, True]]), np.array([[True, False]]), 0.5),
        (np.array([[7, 7]]), np.array([[7, 7]]), 0.0),
        (np.array([[3.0, 4.0]]), np.array([[3.0, 9.0]]), 1.0),
        (np.array([[7, 7]]), np.array([[7]]), float("inf")),
    ],
)
def test_integers_differ_by_the_share_of_values(tmp_path, monkeypatch, expected, actual, difference):
    monkeypatch.setattr(process_outputs, "process_folder", lambda folder, slot: tmp_path)
    write_tensors(tmp_path / "outputs.npz", {"outputs/y": actual})
    session = SimpleNamespace(samples={0: None}, folder=tmp_path)
    assert worst_output_difference(session, {"outputs/y": expected}) == difference
