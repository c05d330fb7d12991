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
        ([{"available_ram_mb": -5}], "available_ram_mb is -5; it is from 0 to 1e+09"),
        ([{"battery_pct": 400}], "battery_pct is 400; it is from 0 to 100"),
        ([{"thermal_zone_c": 1e308}], "thermal_zone_c is 1e+308; it is from -40 to 150"),
        ([{"cpu_utilization_pct": 100.5}], "cpu_utilization_pct is 100.5; it is from 0 to 100"),
        ([{"gpu_utilization_pct": -1}], "gpu_utilization_pct is -1; it is from 0 to 100"),
        ([{"available_ram_mb": 10**400}], "available_ram_mb is a number of many digits; it is from 0"),
        ([{"timestamp": 1e300}], "timestamp is 1e+300; it is from"),
        ([{}, {"timestamp": 1e9}], "t.jsonl:2: timestamp is 1e+09 s after the line before, more than a day"),
        ([{"own": {"memory_mb": "much"}}], "t.jsonl:1: own.memory_mb is 'much'; it is a number from 0 to 1e+09"),
        ([{"own": {"memory_mb": -1}}], "t.jsonl:1: own.memory_mb is -1"),
        ([{"own": {"cpu_pct": 1e9}}], "t.jsonl:1: own.cpu_pct is 1000000000.0; it is a number from 0 to 100"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, lines, told):
    with pytest.raises(UserError) as error:
        list(read_trace(write_trace(tmp_path / "t.jsonl", lines), FOOTPRINTS))
    assert told in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]\n", "\n", '{"timestamp": ' + 5000 * "9" + "}\n"])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(UserError, match=r"is no state of a device: (?!Exceeds)"):
        list(read_trace(tmp_path / "t.jsonl", FOOTPRINTS))
    with pytest.raises(UserError, match="there is no such file"):
        list(read_trace(tmp_path / "none.jsonl", FOOTPRINTS))
