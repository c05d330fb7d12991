"""Samples are read as numpy wrote them, and no more of them than are wanted."""

import zipfile

import numpy as np
import pytest
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.inference import read_feeds, read_mix
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

PROTOCOL = {"warmup_runs": 1, "warmup_seconds": 0.0, "min_samples": 1, "min_seconds": 0.0, "max_timer_share": 1.0}


@given(
    arrays.arrays(
        st.sampled_from(["float32", "int8", "int64", "bool", ">f8"]), arrays.array_shapes(min_dims=1, max_dims=4)
    ),
    st.sampled_from("CF"),
    st.sampled_from([np.savez, np.savez_compressed]),
    st.none() | st.integers(1, 12),
)
def test_feeds_are_the_samples_in_order(tmp_path_factory, array, order, save, limit):
    path = tmp_path_factory.mktemp("inputs") / "inputs.npz"
    save(path, **{"inputs/a/b": np.array(array, order=order), "labels": np.zeros(3)})
    feeds = list(read_feeds(str(path), limit))
    assert len(feeds) == (len(array) if limit is None else min(limit, len(array)))
    for index, feed in enumerate(feeds):
        assert list(feed) == ["a/b"] and feed["a/b"].flags["C_CONTIGUOUS"] and feed["a/b"].flags["WRITEABLE"]
        np.testing.assert_array_equal(feed["a/b"], array[index : index + 1])


def test_only_what_is_wanted_is_read(tmp_path, monkeypatch):
    path, read = tmp_path / "inputs.npz", []
    np.savez(path, **{"inputs/x": np.zeros((1000, 100), "float32")})
    whole = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: read.append(n) or whole(self, n))
    feeds, available = read_mix(str(path), PROTOCOL)
    assert (len(feeds), available) == (16, 1000)
    assert max(read) == 16 * 400 and min(read) >= 0


@pytest.mark.parametrize("array", [np.array([{}], dtype=object), np.array(3.0)])
def test_what_is_no_set_of_samples_is_no_verdict(tmp_path, array):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": array})
    with pytest.raises(NoVerdict, match="one sample per row"):
        list(read_feeds(str(tmp_path / "inputs.npz")))
