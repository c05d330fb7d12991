"""Traces: what was ours is taken out, and what is wrong is named with its line."""

import pytest
from edgeproof.adaptation.traces import read_trace
from edgeproof.core.errors import UserError

from .families_for_tests import write_trace

FOOTPRINTS = {"full": 250.0, "tiny": 20.0}


def test_own_memory_and_load_are_taken_out(tmp_path):
    own = {"variant": "full", "memory_mb": 300.0, "cpu_pct": 4.0}
    path = write_trace(tmp_path / "t.jsonl", [{}, {"own": own}, {"own": {"variant": "tiny"}}, {"own": None}])
    moments = list(read_trace(path, FOOTPRINTS))
    assert [moment.free_mb for moment in moments] == [500.0, 800.0, 520.0, 500.0]
    assert [moment.load_pct for moment in moments] == [10.0, 6.0, 10.0, 10.0]
    assert [moment.recorded_load_pct for moment in moments] == [10.0] * 4


def test_time_begins_with_the_trace(tmp_path):
    path = write_trace(tmp_path / "t.jsonl", [{"timestamp": 1000.0}, {"timestamp": 1005.0}])
    assert [moment.at_s for moment in read_trace(path, FOOTPRINTS)] == [0.0, 5.0]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([{}, {"timestamp": 0.0}], "t.jsonl:2: timestamp is 0.0, not after 0.0"),
        ([{"available_ram_mb": None}], "t.jsonl:1: is no state of a device: available_ram_mb is missing"),
        ([{"thermal_zone_c": "hot"}], "t.jsonl:1: is no state of a device: thermal_zone_c is 'hot'"),
        ([{"own": {"variant": "huge"}}], "t.jsonl:1: own.variant is 'huge'; the family has full, tiny"),
        ([{"own": {"memory": 1}}], "t.jsonl:1: own is {'memory': 1}"),
        ([], "t.jsonl: is empty"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, lines, told):
    with pytest.raises(UserError) as error:
        list(read_trace(write_trace(tmp_path / "t.jsonl", lines), FOOTPRINTS))
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]\n", "\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(UserError, match="is no state of a device"):
        list(read_trace(tmp_path / "t.jsonl", FOOTPRINTS))
    with pytest.raises(UserError, match="cannot be read"):
        list(read_trace(tmp_path / "none.jsonl", FOOTPRINTS))
