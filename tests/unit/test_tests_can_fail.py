"""Every test of the project can fail; the search that says so finds what it must, and nothing else."""

import textwrap
from pathlib import Path

import pytest

from .assertion_search import find_toothless, list_test_files

ROOT = Path(__file__).resolve().parents[1]
FILES = list_test_files(ROOT)


def test_every_test_can_fail():
    found = {str(path.relative_to(ROOT)): find_toothless(path, ROOT) for path in FILES}
    assert {path: names for path, names in found.items() if names} == {}, "these assert nothing, or only sometimes"


TOOTHLESS = {
    "nothing": "solve()",
    "branch": "if plans:\n    assert plans[0]",
    "loop": "for plan in plans:\n    assert plan",
    "filtered": "for plan in [p for p in (1, 2) if p > limit]:\n    assert plan",
    "after return": "if not plans:\n    return\nassert plans[0]",
    "continue": "for seed in range(3):\n    if not solve(seed):\n        continue\n    assert seed",
    "handler": "try:\n    assert solve()\nexcept ValueError:\n    pass",
    "all of nothing": "assert all(plan.ok for plan in plans)",
    "none or": "assert best is None or best < 3",
    "while": "while plans:\n    assert plans.pop()",
    "own function": "def check():\n    assert plans\nsolve(check)",
    "emptied": "cases = (1,)\ncases = solve()\nfor case in cases:\n    assert case",
    "always": "assert True",
}
SOUND = {
    "plain": "assert solve()",
    "both branches": "if plans:\n    assert plans[0]\nelse:\n    assert solve()",
    "literal loop": "for name in ('a', 'b'):\n    assert name",
    "range": "for seed in range(start, start + 20):\n    assert seed",
    "constant": "for case in CASES:\n    assert case",
    "zipped": "for a, b in zip(CASES, (1, 2), strict=True):\n    assert a == b",
    "raises": "with pytest.raises(ValueError):\n    solve()",
    "helper": "check(plans)",
    "helper's helper": "check_twice(plans)",
    "own function": "def check():\n    assert plans\ncheck()",
    "fixture": "refuse(plans)",
    "method": "outline.expect(plans)",
    "handler": "try:\n    assert solve()\nexcept ValueError as error:\n    assert str(error)",
    "command": "subprocess.run(['true'], check=True)",
    "numpy": "np.testing.assert_allclose(1, 1)",
    "skip": "if not solve():\n    pytest.skip('not here')\nassert plans",
    "all of two": "assert all(part for part in ('a', 'b'))",
    "guarded loop": "assert plans\nfor plan in plans:\n    assert plan.ok",
    "and": "assert plans and all(plan.ok for plan in plans)",
}
HELPERS = """
CASES = (1, 2)

def check(value):
    assert value

def check_twice(value):
    check(value)

class Outline:
    def expect(self, value):
        assert value

@pytest.fixture
def refuse():
    def call(value):
        assert value
    return call
"""


def write_test(folder, body):
    """Write a file with one test and helpers; return its path."""
    path = folder / "test_example.py"
    path.write_text(HELPERS + "\ndef test_it(plans, start, refuse, outline):\n" + textwrap.indent(body, "    ") + "\n")
    return path


@pytest.mark.parametrize("kind", TOOTHLESS)
def test_what_cannot_fail_is_found(kind, tmp_path):
    assert find_toothless(write_test(tmp_path, TOOTHLESS[kind]), tmp_path) == ["test_it"]


@pytest.mark.parametrize("kind", SOUND)
def test_what_can_fail_is_left_alone(kind, tmp_path):
    assert find_toothless(write_test(tmp_path, SOUND[kind]), tmp_path) == []


def test_helpers_of_other_files_are_known(tmp_path):
    (tmp_path / "conftest.py").write_text("def check(value):\n    assert value\n")
    (tmp_path / "room").mkdir()
    (tmp_path / "room/records.py").write_text("def look(value):\n    assert value\n")
    path = tmp_path / "room/test_example.py"
    path.write_text(
        "from . import records\nfrom .records import look as see\n"
        "def test_a():\n    check(1)\ndef test_b():\n    see(1)\n"
        "def test_c():\n    records.look(1)\ndef test_d():\n    look(1)\n"
    )
    assert find_toothless(path, tmp_path) == ["test_d"]
