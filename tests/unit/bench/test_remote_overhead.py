"""The bench of what ssh costs: neighbours are compared, and what brings the agent is no repetition."""

from edgeproof.bench.remote_overhead import describe_overhead
from edgeproof.core.documents import validate


def test_neighbours_are_compared_and_the_first_is_told_apart():
    lines = []
    took = {"local": [9.0, 1.0, 2.0, 3.0], "ssh": [9.0, 1.5, 3.0, 5.0]}
    found = validate(describe_overhead(took, lines.append), "bench-remote", "test")
    assert (found["sessions"], found["local_s"], found["ssh_s"]) == (3, 2.0, 3.0)
    assert (found["overhead_s"], found["overhead_s_max"], found["first_ssh_s"], found["met"]) == (1.0, 2.0, 9.0, True)
    assert lines == ["3.0 s over ssh, 2.0 s here: 1.0 s more"]
    assert not describe_overhead({"local": [0.0, 1.0], "ssh": [0.0, 2.6]})["met"]
