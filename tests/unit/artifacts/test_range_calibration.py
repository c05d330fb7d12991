"""Calibration samples come one by one, in order, and no further than asked."""

import numpy as np
import pytest
from edgeproof.artifacts.builds.range_calibration import CHUNK, CalibrationStream
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import write_tensors

INPUTS = [{"name": "a", "dtype": "float32", "shape": [1, 3]}, {"name": "b", "dtype": "int64", "shape": ["n", "m", 2]}]


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return {
        "inputs/a": random.standard_normal((230, 3)).astype("float32"),
        "inputs/b": random.integers(0, 9, (230, 5, 2)),
    }


def read_all(stream):
    feeds = []
    while feed := stream.get_next():
        feeds.append(feed)
    return feeds


def test_the_first_samples_come_in_order(tmp_path, arrays):
    write_tensors(tmp_path / "c.npz", {**arrays, "labels": np.zeros(230, "int64")})
    with CalibrationStream(tmp_path / "c.npz", INPUTS, 207) as stream:
        feeds = read_all(stream)
        assert stream.get_next() is None
    for name in ("a", "b"):
        assert np.array_equal(np.concatenate([feed[name] for feed in feeds]), arrays[f"inputs/{name}"][:207])
    assert feeds[0]["b"].shape == (1, 5, 2)


@pytest.mark.parametrize("count", [200, 207])
def test_ranges_end_where_the_samples_do(tmp_path, arrays, count):
    write_tensors(tmp_path / "c.npz", arrays)
    with CalibrationStream(tmp_path / "c.npz", INPUTS, count) as stream:
        total = len(stream)
        assert total % CHUNK == 0 and 0 <= total - count < CHUNK
        sizes = []
        for start in range(0, total, CHUNK):
            stream.set_range(start, start + CHUNK)
            sizes.append(len(read_all(stream)))
    assert sum(sizes) == count and min(sizes) >= 1


def test_ranges_are_read_in_order(tmp_path, arrays):
    write_tensors(tmp_path / "c.npz", arrays)
    with CalibrationStream(tmp_path / "c.npz", INPUTS, 200) as stream, pytest.raises(ValueError, match="in order"):
        stream.set_range(10, 20)


def test_compressed_archives_are_read_too(tmp_path, arrays):
    np.savez_compressed(tmp_path / "c.npz", **arrays)
    with CalibrationStream(tmp_path / "c.npz", INPUTS, 200) as stream:
        assert len(read_all(stream)) == 200


def test_arrays_in_other_orders_or_of_objects_are_refused(tmp_path, arrays):
    for array in (np.asfortranarray(arrays["inputs/a"]), np.array([[object()] * 3] * 230)):
        np.savez(tmp_path / "c.npz", **{**arrays, "inputs/a": array})
        with (
            pytest.raises(UserError, match="plain numbers in C order"),
            CalibrationStream(tmp_path / "c.npz", INPUTS, 200),
        ):
            pass


def test_damage_is_named(tmp_path, arrays):
    path = tmp_path / "c.npz"
    write_tensors(path, arrays)
    data = bytearray(path.read_bytes())
    data[data.index(b"\x93NUMPY") + 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="inputs/a is not a plain array"), CalibrationStream(path, INPUTS, 200):
        pass
    write_tensors(path, {**arrays, "inputs/b": arrays["inputs/b"][:230]})
    data = bytearray(path.read_bytes())
    data[data.index(arrays["inputs/b"].tobytes()[:64]) + 3] ^= 1  # found when the last byte is read
    path.write_bytes(data)
    with pytest.raises(UserError, match="inputs/b is damaged"), CalibrationStream(path, INPUTS, 230) as stream:
        read_all(stream)
