import io

import numpy as np
import pytest
from edgeproof.core.npy_arrays import parse_array


def save(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), version=version)
    return stream.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype="int64").reshape(2, 3, 4),
        np.arange(6, dtype=">u2"),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.zeros((0, 10, 4), "uint16"),
        np.array(3.5),
        np.array(["a", "bc"]),
    ],
)
def test_the_array_is_what_numpy_loads(array, version):
    data = save(array, version)
    wanted = np.load(io.BytesIO(data))
    for _ in range(2):  # the header is new, then known
        found = parse_array(data)
        assert found.dtype == wanted.dtype and found.shape == wanted.shape and (found == wanted).all()


def test_equal_headers_do_not_share_data():
    one, other = parse_array(save([1, 2])), parse_array(save([3, 4]))
    assert one.tolist() == [1, 2] and other.tolist() == [3, 4]


@pytest.mark.parametrize("end", [-1, 60, 8, 3, 0])
def test_a_file_that_is_cut_off_is_refused(end):
    parse_array(save(np.arange(9)))
    with pytest.raises((ValueError, EOFError)):
        parse_array(save(np.arange(9))[:end])


def test_what_numpy_refuses_is_refused():
    with pytest.raises(ValueError, match="allow_pickle"):
        parse_array(save(np.array([{}], dtype=object)))
    with pytest.raises(ValueError):
        parse_array(save(np.arange(3)).replace(b"'<i8'", b"'<x8'"))
    assert parse_array(save(np.arange(3)) + b"more").tolist() == [0, 1, 2]
