from edgeproof.runs.timing_keys import timing_of


def test_what_decides_the_raw_times_is_in_the_key_and_how_many_there_are_is_not():
    timing = {"warmup_runs": 10, "min_seconds": 1.0, "inputs": 16, "block_pairs": 40}
    assert timing_of({**timing, "name": "quick", "processes": 5, "pairs": 60, "width": 0.05}) == timing
