import numpy as np
import pytest
from edgeproof.core.errors import UserError
from edgeproof.runs.raw_samples import read_samples, write_samples

HEADER = "session,process,elapsed_ns\n"


def test_what_was_written_is_read(tmp_path):
    random = np.random.default_rng(0)
    lengths = [3, 1, *random.integers(1, 9, 128).tolist()]  # numbers of processes have one to three digits
    digits = random.integers(1, 19, 10_000)
    times = iter((10.0 ** (digits - 1) * random.uniform(1, 9.99, len(digits))).astype(np.int64).tolist())
    written = [[[next(times) for _ in range(count)] for count in lengths] for _ in range(11)]
    path = tmp_path / "samples.csv"
    write_samples(path, [[np.array(samples) for samples in session] for session in written])
    assert [[samples.tolist() for samples in session] for session in read_samples(path)] == written


def test_no_rows_are_no_sessions(tmp_path):
    path = tmp_path / "samples.csv"
    write_samples(path, [])
    assert read_samples(path) == []


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("0,0,5\n0,0,\n0,0,5\n", "row 3 is '0,0,'"),
        ("0,0,5\n\n", "row 3 is ''"),
        ("0,0,5\n0,0,5", "the last row, '0,0,5', has no end"),
        ("0,0,5\n0,0,5,5\n", "row 3 is '0,0,5,5'"),
        ("0,0,5\n0,0 ,5\n", "row 3 is '0,0 ,5'"),
        ("0,100,5\n", "must be numbered"),
        ("0,0,5\n1,1,5\n", "must be numbered"),
        ("0,0,5\n0,1,5\n0,0,5\n", "must be numbered"),
        ("0,0,1234567890123456789\n", "row 2 is '0,0,1234567890123456789'"),
        ("0,0,5\n0,0,000000000\n", "elapsed_ns is 0 in row 3"),
        ("0,0,-5\n", "row 2 is '0,0,-5'"),
    ],
)
def test_other_rows_are_refused_by_their_number(tmp_path, rows, complaint):
    path = tmp_path / "samples.csv"
    path.write_text(HEADER + rows)
    with pytest.raises(UserError) as caught:
        read_samples(path)
    assert complaint in str(caught.value)


def test_numbers_may_begin_with_zeros(tmp_path):
    path = tmp_path / "samples.csv"
    path.write_text(f"{HEADER}0,0,0000000012\n00,0,7\n0,01,12345678901\n0,1,8\n")
    assert [samples.tolist() for samples in read_samples(path)[0]] == [[12, 7], [12345678901, 8]]
