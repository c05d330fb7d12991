"""The value of a pair from its raw times: by blocks, by whole processes, and what a stretch alone says."""

import json
import math

import numpy as np
import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.runs.pair_records import read_pair, read_pairs

BLOCKS, SAMPLES = 40, 4


def write_blocks(folder, ratio=1.1, factors=(1.0,), alone=(), calls=1, quantum_ns=1):
    """Write a pair by blocks without noise: the left arm takes 1 ms a call, times the factor of its input.

    `alone`: (arm, before block, time of the stretch alone as a share of the alternated one).
    """
    folder.mkdir()
    inputs = (np.arange(BLOCKS * SAMPLES).reshape(BLOCKS, SAMPLES) % len(factors)).astype("uint16")
    left = 1e6 * calls * np.array(factors)[inputs]
    times = np.stack([left, left * ratio]).round().astype("int64")
    alone_inputs = np.zeros((len(alone), 10, SAMPLES), "uint16")
    stretches = np.array([times[("left", "right").index(arm), 0, 0] * share for arm, _, share in alone])
    alone_times = np.broadcast_to(stretches.reshape(-1, 1, 1), alone_inputs.shape).round().astype("int64")
    arrays = {"blocks": times, "inputs": inputs, "alone": alone_times, "alone_inputs": alone_inputs}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    report = {
        "seconds": 2.0,
        "interleaving": {"mode": "blocks", "reason": None},
        "blocks": {"calls_per_sample": calls, "alone": [{"arm": arm, "before_block": at} for arm, at, _ in alone]},
        "arms": {arm: {"quantum_ns": quantum_ns} for arm in ("left", "right")},
        "files": {f"{name}.npy": {"sha256": sha256_file(folder / f"{name}.npy")} for name in arrays},
    }
    (folder / "pair.json").write_text(json.dumps(report))
    return read_pair(folder)


@pytest.mark.parametrize("calls", [1, 7])
def test_a_pair_by_blocks_has_its_ratio_and_its_levels_per_call(tmp_path, calls):
    pair = write_blocks(tmp_path / "p", ratio=1.1, calls=calls)
    assert math.exp(pair.log_ratio) == pytest.approx(1.1, rel=1e-6)
    assert (pair.left.value_ns, pair.right.value_ns) == (pytest.approx(1e6), pytest.approx(1.1e6))
    assert (pair.mode, pair.alone, pair.seconds) == ("blocks", {}, 2.0)


def test_inputs_have_levels_of_their_own(tmp_path):
    pair = write_blocks(tmp_path / "p", factors=(1.0, 3.0))
    assert pair.left.value_ns == pytest.approx(2e6)  # the arithmetic mean over the mix


@pytest.mark.parametrize("place", [0, 20, 40])
def test_a_stretch_alone_shows_what_alternation_changes(tmp_path, place):
    pair = write_blocks(tmp_path / "p", alone=[("right", place, 1 / 1.03)])
    assert pair.alone == {"right": pytest.approx(math.log(1.03), abs=1e-6)}


def test_a_coarse_clock_bounds_the_spread(tmp_path):
    fine, coarse = (write_blocks(tmp_path / str(quantum), quantum_ns=quantum) for quantum in (1, 1000))
    assert coarse.floor_sd == pytest.approx(1000 / 4e6 / math.sqrt(6))  # the faster arm's block takes 4 ms
    assert coarse.floor_sd == pytest.approx(1000 * fine.floor_sd)


def test_a_pair_of_whole_processes_has_the_ratio_of_its_levels(tmp_path):
    folder, own = tmp_path / "p", {"calls_per_sample": 2, "quantum_ns": 50}
    files = {}
    for arm, level in (("left", 1e6), ("right", 0.8e6)):
        (folder / arm).mkdir(parents=True)
        for name, array in (("samples", np.full(200, 2 * level, "int64")), ("inputs", np.zeros(200, "uint16"))):
            np.save(folder / arm / f"{name}.npy", array)
            files[f"{arm}/{name}.npy"] = {"sha256": sha256_file(folder / arm / f"{name}.npy")}
    report = {
        "seconds": 3.0,
        "interleaving": {"mode": "processes", "reason": "no room for both"},
        "arms": dict.fromkeys(("left", "right"), own),
        "files": files,
    }
    (folder / "pair.json").write_text(json.dumps(report))
    pair = read_pair(folder)
    assert math.exp(pair.log_ratio) == pytest.approx(0.8, rel=1e-9)
    assert (pair.mode, pair.left.value_ns, pair.alone) == ("processes", pytest.approx(1e6), {})


def test_pairs_read_together_are_those_read_one_by_one(tmp_path):
    """Of two shapes, with and without stretches alone: each value is its own, and the order is kept."""
    random = np.random.default_rng(4)
    kinds = [((1.0,), ()), ((1.0, 3.0, 2.0), [("left", 20, 0.9)]), ((1.0,), [("right", 0, 1.1)]), ((1.0, 3.0, 2.0), ())]
    folders = [tmp_path / str(number) for number in range(8)]
    for number, folder in enumerate(folders):
        factors, alone = kinds[number % 4]
        write_blocks(folder, random.uniform(0.5, 2.0), factors, alone, calls=1 + number % 3)
    alone_each = [read_pair(folder) for folder in folders]
    assert read_pairs(folders, [pair.sha256 for pair in alone_each]) == alone_each
    assert [pair.folder for pair in alone_each] == list(map(str, folders))
    assert len({pair.log_ratio for pair in alone_each}) == 8
    with pytest.raises(UserError, match=r"3/pair\.json: was changed"):
        read_pairs(folders, [*(pair.sha256 for pair in alone_each[:3]), "0" * 64, *[None] * 4])
    (folders[5] / "blocks.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"5: the pair cannot be read \(blocks\.npy: sha256 differs"):
        read_pairs(folders, [None] * 8)
