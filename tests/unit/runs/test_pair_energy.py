"""The energy of pairs: what each arm took within its own blocks, with a bound that holds, and refusals that say why."""

import json
import math

import pytest
from edgeproof.bench.made_up_pairs import PairsNoise, write_session
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal
from edgeproof.runs.energy import Budget, Energy, add_energies
from edgeproof.runs.pair_energy import read_energy_at
from edgeproof.runs.pair_sampling import sample_pairs
from edgeproof.runs.telemetry_files import path_in_attempt

STATE = {"left": {}, "right": {}}
CALLS = 5  # of a block: four timed ones and one before
PROTOCOL = {"warmup_runs": 1, "block_seconds": 0.01, "pair_seconds": 5.0}


def make(tmp_path, monkeypatch, pairs=3, **noise):
    monkeypatch.chdir(tmp_path)
    return write_session("results/comparability/trial/pair", pairs, PairsNoise(**noise), STATE).attempt.folder


def rewrite(folder, change):
    """Change the telemetry of a session as if it had been measured so."""
    path = path_in_attempt(folder)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *change(rows)]) + "\n")
    return path


@pytest.mark.parametrize(("watts", "ratio"), [((5.0, 6.0), 1.0), ((8.0, 3.0), 1.5)])
def test_each_arm_has_the_energy_of_its_own_blocks_within_the_bound(tmp_path, monkeypatch, watts, ratio):
    found = read_energy_at(str(make(tmp_path, monkeypatch, watts=watts, ratio=ratio)))
    assert (found.sampler, found.power["boundary"], len(found.pairs)) == ("hwmon", "module", 3)
    seconds = (0.05, 0.05 * ratio)
    for pair in found.pairs:
        for arm, power, length in zip((pair.left, pair.right), watts, seconds, strict=True):
            assert abs(arm.joules - power * length / CALLS) <= arm.error * arm.joules
            assert 0 < arm.error < 0.1
        assert pair.log_ratio == pytest.approx(math.log(watts[1] / watts[0] * ratio), abs=pair.bound)


def test_a_session_that_nothing_watched_has_no_energy(tmp_path, monkeypatch):
    assert read_energy_at(str(make(tmp_path, monkeypatch))) is None


def test_changed_telemetry_is_refused(tmp_path, monkeypatch):
    folder = make(tmp_path, monkeypatch, watts=(5.0, 6.0))
    rewrite(folder, lambda rows: [row.replace(",6.0", ",4.0") for row in rows])
    with pytest.raises(UserError, match=r"telemetry.csv: is missing or was changed"):
        read_energy_at(str(folder))


def seal_telemetry(folder):
    """Let the attempt's record hold the digest of what its telemetry says now."""
    path = folder / "attempt.json"
    record = json.loads(path.read_text())
    record["facts"]["telemetry"] = sha256_file(path_in_attempt(folder))
    path.write_text(json.dumps(record | seal(record)))


def test_block_pairs_that_the_sampler_missed_count_on_neither_side(tmp_path, monkeypatch):
    folder = make(tmp_path, monkeypatch, watts=(5.0, 6.0), pairs=1)
    rewrite(folder, lambda rows: [row for row in rows if not 1_010_000_000 < int(row.split(",")[0]) < 1_330_000_000])
    seal_telemetry(folder)
    (pair,) = read_energy_at(str(folder)).pairs
    assert pair.log_ratio == pytest.approx(math.log(6 / 5), abs=pair.bound)


def test_a_sampler_that_saw_too_little_gives_a_reason(tmp_path, monkeypatch):
    folder = make(tmp_path, monkeypatch, watts=(5.0, 6.0), pairs=1)
    rewrite(folder, lambda rows: rows[::6])
    seal_telemetry(folder)
    assert "hwmon: pair 0: " in (reason := read_energy_at(str(folder))) and "samples in 0.05 s" in reason


def test_energies_add_up_with_what_errs_alike_and_what_does_not():
    one = Energy(2.0, 4.0, 5.0, 10, Budget(0.02, 0.01, 0.0, 0.005))
    whole = add_energies([one] * 100)
    assert whole.joules == pytest.approx(200) and whole.mean_w == pytest.approx(4) and whole.samples == 1000
    assert whole.budget.quantisation == pytest.approx(0.01) and whole.budget.clock == pytest.approx(0.005)
    assert 0.002 < whole.budget.rate < 0.004  # a hundred independent errors
    assert add_energies([one]).budget.total == pytest.approx(one.budget.total)


def test_samplers_watch_pairs_only_where_energy_is_asked_for():
    device = {"samplers": [{"name": "hwmon"}]}
    assert sample_pairs(device, PROTOCOL) == {} and sample_pairs({}, {**PROTOCOL, "energy": True}) == {}
    assert sample_pairs({"samplers": [{"name": "procfs"}]}, {**PROTOCOL, "energy": True}) == {}


@pytest.mark.parametrize(
    ("sampler", "block_s"), [({"name": "hwmon"}, 0.16), ({"name": "hwmon", "interval_ms": 1}, 0.01)]
)
def test_blocks_are_as_long_as_a_fast_sampler_needs(sampler, block_s):
    found = sample_pairs({"samplers": [{"name": "procfs"}, sampler]}, {**PROTOCOL, "energy": True})
    assert found["protocol"]["block_seconds"] == pytest.approx(block_s) and "interleaving" not in found
    assert [each["name"] for each in found["samplers"]] == ["procfs", "hwmon"]


@pytest.mark.parametrize(
    ("sampler", "reason"),
    [
        ({"name": "tegrastats"}, "tegrastats gives a sample every 100 ms, which is too slow for blocks"),
        ({"name": "meter-csv"}, "how often meter-csv gives a sample is not known; `interval_ms` says it"),
    ],
)
def test_a_slow_sampler_watches_whole_processes(sampler, reason):
    found = sample_pairs({"samplers": [sampler]}, {**PROTOCOL, "energy": True})
    assert (found["interleaving"], found["interleaving_reason"]) == ("processes", reason)
