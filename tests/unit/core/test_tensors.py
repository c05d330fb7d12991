import io
import pickle
import zipfile

import numpy as np
import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors, write_tensors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

ARRAYS = st.dictionaries(
    st.text("abc/_0", min_size=1, max_size=8),
    hnp.arrays(
        st.sampled_from([np.float32, np.float16, np.int64, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    max_size=4,
)


@given(arrays=ARRAYS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrays_come_back_and_equal_arrays_give_equal_bytes(tmp_path, arrays):
    first, second = tmp_path / "first.npz", tmp_path / "second.npz"
    write_tensors(first, arrays)
    write_tensors(second, {name: array.copy(order="F") for name, array in arrays.items()})
    assert first.read_bytes() == second.read_bytes()
    back = read_tensors(first)
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        assert back[name].shape == array.shape
        np.testing.assert_array_equal(back[name], array)


def test_numpy_reads_what_we_write_and_members_are_stored_plainly(tmp_path):
    path = tmp_path / "x.npz"
    write_tensors(path, {"inputs/data_0": np.arange(6, dtype=">f4").reshape(2, 3)})
    with np.load(path) as archive:
        assert archive["inputs/data_0"].dtype == np.dtype("<f4")
        assert archive["inputs/data_0"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with zipfile.ZipFile(path) as archive:
        (member,) = archive.infolist()
    assert (member.compress_type, member.date_time) == (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0))


def test_objects_are_not_written_and_an_older_file_stays(tmp_path):
    path = tmp_path / "x.npz"
    write_tensors(path, {"a": np.ones(1)})
    before = path.read_bytes()
    with pytest.raises(TypeError, match="'b' holds Python objects"):
        write_tensors(path, {"a": np.zeros(1), "b": np.array([{}])})
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["x.npz"]


def _pickle_with_evidence(path):
    array = np.array([pickle.dumps("boom")], dtype=object)
    np.savez(path, a=array, allow_pickle=True)


def _damaged(path):
    write_tensors(path, {"a": np.zeros(1000)})
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(data)


def _bare(path):
    stream = io.BytesIO()
    np.save(stream, np.ones(3))
    path.write_bytes(stream.getvalue())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.write_text("no archive"), "not an npz archive"),
        (lambda path: path.write_bytes(b""), "not an npz archive"),
        (_pickle_with_evidence, "not an npz archive of plain arrays"),
        (_damaged, "not an npz archive of plain arrays"),
        (_bare, "one bare array"),
    ],
)
def test_what_is_no_archive_of_plain_arrays_is_one_clear_line(tmp_path, make, message):
    path = tmp_path / "x.npz"
    make(path)
    with pytest.raises(UserError, match=message) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)
