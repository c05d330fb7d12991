"""What the rules of the house read of a file: parameters, annotations, docstrings and bases of its functions."""

import pytest

from .function_list import list_classes, list_functions

SOURCE = '''
def solve(a: int, /, b: int, *rest: int, c: int, **more: int) -> int:
    """Solve it."""
    def inner(d): pass

def bare(a, b: int): pass

def _private(a): pass

class Plan(base.Plan, Generic[T]):
    def find(self, a: int) -> int:
        """Find it."""

    @staticmethod
    def make(a: int) -> int: pass

    @overload
    def find(self, a: str) -> int: ...

    def __len__(self): pass

class _Hidden:
    def open(self): pass

if True:
    async def wait() -> None: pass
'''


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(SOURCE)
    return path


def test_parameters_are_all_kinds_without_self(path):
    found = {function.name: function.parameters for function in list_functions(path)}
    assert set(found["solve"]) == {"a", "b", "rest", "c", "more"}
    assert (found["Plan.find"], found["Plan.make"], found["solve.inner"]) == (("a",), ("a",), ("d",))


def test_public_is_what_others_can_call(path):
    public = [function.name for function in list_functions(path) if function.public]
    assert public == ["solve", "bare", "Plan.find", "Plan.make", "wait"]


def test_one_bare_parameter_or_no_return_is_not_annotated(path):
    bare = {function.name for function in list_functions(path) if not function.annotated}
    assert bare == {"solve.inner", "bare", "_private", "Plan.__len__", "_Hidden.open"}


def test_docstrings_and_bases_are_seen(path):
    documented = [function.name for function in list_functions(path) if function.documented]
    assert documented == ["solve", "Plan.find"]
    assert list_classes(path) == {"Plan": (("Plan", "Generic"), {"find"}), "_Hidden": ((), set())}
