"""Finds tests that cannot fail: no assertion at all, or assertions that run only when the code under test lets them.

An assertion counts when every run of the test reaches it. These do not count:
- a branch of an `if` whose other branch asserts nothing, and what follows a `return` or `continue` in a branch;
- the body of a loop over something that may be empty, and `assert all(…)` over it;
- the body of a `try` whose handler asserts nothing;
- `assert x is None or …`.
"""

import ast
from pathlib import Path
from typing import NamedTuple

_RAISING = {"raises", "warns", "deprecated_call", "fail"}
_KEEPS_LENGTH = {"enumerate", "sorted", "reversed", "list", "tuple", "set", "zip", "product", "dict", "frozenset"}
_LEAVING = (ast.Return, ast.Continue, ast.Break)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Names(NamedTuple):
    """What is known where a test stands: helpers that assert, and names of values that are not empty."""

    helpers: frozenset
    methods: frozenset
    filled: frozenset


_NONE = Names(frozenset(), frozenset(), frozenset())
_READ = {}  # path: Names


def list_tests(path):
    """Yield the test functions (`ast.FunctionDef`) of a file, those in classes included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, _FUNCTIONS) and node.name.startswith("test_"):
            yield node


def find_toothless(path, root):
    """Return the names of the tests in the file `path` that cannot fail; `root`: the folder of all tests."""
    names = _read_names(path, root)
    return [test.name for test in list_tests(path) if not _asserts(test.body, _add_nested(test, names))]


def _read_names(path, root):
    """Return the `Names` of a file: its own, those of the conftests above it, and those it imports from the tests."""
    if path not in _READ:
        _READ[path] = _NONE  # a conftest may import a module that it stands above
        _READ[path] = _find_names(path, root)
    return _READ[path]


def _find_names(path, root):
    tree = ast.parse(path.read_text())
    helpers, methods = set(), set()
    for folder in path.parents:
        conftest = folder / "conftest.py"
        if folder.is_relative_to(root) and conftest.is_file() and conftest != path:
            known = _read_names(conftest, root)
            helpers |= known.helpers
            methods |= known.methods
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            if base.with_suffix(".py").is_file():
                known = _read_names(base.with_suffix(".py"), root)
                helpers |= {alias.asname or alias.name for alias in node.names if alias.name in known.helpers}
                methods |= known.methods
            for alias in node.names:  # `from . import records`: its functions are called like methods
                if (module := base / f"{alias.name}.py").is_file():
                    methods |= _read_names(module, root).helpers
    filled = frozenset(_list_filled(tree.body, _NONE))
    names = Names(frozenset(helpers), frozenset(methods), filled)
    while True:  # a helper may call another one
        grown = _add_helpers(tree.body, names)
        if grown == names:
            return names
        names = grown


def _add_helpers(body, names):
    helpers, methods = set(names.helpers), set(names.methods)
    for node in body:
        if isinstance(node, _FUNCTIONS):
            nested = _add_nested(node, names)
            fixture = any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
            returned = nested.helpers - names.helpers if fixture else ()
            if _asserts(node.body, nested) or returned:
                helpers.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods |= {item.name for item in node.body if isinstance(item, _FUNCTIONS) and _asserts(item.body, names)}
    return names._replace(helpers=frozenset(helpers), methods=frozenset(methods))


def _add_nested(function, names):
    """Return the names as they are inside a function: with its own functions that assert, and its filled values."""
    helpers = {n.name for n in function.body if isinstance(n, _FUNCTIONS) and _asserts(n.body, names)}
    filled = names.filled | _list_filled(function.body, names)
    return names._replace(helpers=names.helpers | helpers, filled=filled)


def _list_filled(body, names):
    """Return the names that are assigned once, to something that is not empty."""
    found, seen = set(), set()
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in (t for t in targets if isinstance(t, ast.Name)):
            filled = _is_filled(node.value, names._replace(filled=names.filled | found))
            found = found | {target.id} if filled and target.id not in seen else found - {target.id}
            seen.add(target.id)
    return frozenset(found)


def _asserts(statements, names):
    """Return whether every run of these statements reaches an assertion."""
    for statement in statements:
        if _asserts_one(statement, names):
            return True
        if _may_leave(statement):
            return False
    return False


def _asserts_one(node, names):
    if isinstance(node, ast.Assert):
        return not _is_vacuous(node.test, names)
    if isinstance(node, ast.If):
        return _calls_assertion(node.test, names) or (_asserts(node.body, names) and _asserts(node.orelse, names))
    if isinstance(node, ast.For):
        return _calls_assertion(node.iter, names) or (_is_filled(node.iter, names) and _asserts(node.body, names))
    if isinstance(node, ast.While):
        return isinstance(node.test, ast.Constant) and bool(node.test.value) and _asserts(node.body, names)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return any(_calls_assertion(item.context_expr, names) for item in node.items) or _asserts(node.body, names)
    if isinstance(node, ast.Try):
        tried = _asserts([*node.body, *node.orelse], names)
        return _asserts(node.finalbody, names) or (tried and all(_asserts(h.body, names) for h in node.handlers))
    if isinstance(node, ast.Match):
        last = node.cases[-1]
        total = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        return total and all(_asserts(case.body, names) for case in node.cases)
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return False
    return isinstance(node, ast.stmt) and _calls_assertion(node, names)


def _calls_assertion(node, names):
    """Return whether evaluating an expression or a simple statement always calls something that asserts."""
    if isinstance(node, ast.Call) and _is_assertion(node, names):
        return True
    if isinstance(node, (ast.Lambda, ast.GeneratorExp)):
        return False
    if isinstance(node, ast.IfExp):
        return _calls_assertion(node.test, names)
    if isinstance(node, ast.BoolOp):
        return _calls_assertion(node.values[0], names)
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)):
        return _is_filled(node, names) and any(_calls_assertion(part, names) for part in ast.iter_child_nodes(node))
    return any(_calls_assertion(part, names) for part in ast.iter_child_nodes(node))


def _is_assertion(call, names):
    if any(k.arg == "check" and isinstance(k.value, ast.Constant) and k.value.value is True for k in call.keywords):
        return True  # subprocess.run raises when the command fails
    if isinstance(call.func, ast.Name):
        return call.func.id in names.helpers or call.func.id.startswith("assert_")
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        of_pytest = isinstance(owner, ast.Name) and owner.id == "pytest" and call.func.attr in _RAISING
        return of_pytest or call.func.attr in names.methods or call.func.attr.startswith("assert_")
    return False


def _is_vacuous(test, names):
    """Return whether an asserted expression is true whenever there is nothing to look at."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(_is_vacuous(value, names) for value in test.values)
    if isinstance(test, ast.BoolOp):
        return any(_is_absent(value) or _is_vacuous(value, names) for value in test.values[:-1])
    if isinstance(test, ast.Call) and isinstance(test.func, ast.Name) and test.func.id == "all" and len(test.args) == 1:
        return not _is_filled(test.args[0], names)
    return False


def _is_absent(test):
    """Return whether an expression asks for nothing being there: `x is None`, `not x`."""
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not) and isinstance(test.operand, (ast.Name, ast.Attribute, ast.Subscript))
    if not (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is)):
        return False
    return isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None


def _is_filled(node, names):
    """Return whether an iterable certainly has an item."""
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return any(not isinstance(item, ast.Starred) or _is_filled(item.value, names) for item in node.elts)
    if isinstance(node, ast.Dict):
        return bool(node.keys)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, (str, bytes)) and bool(node.value)
    if isinstance(node, ast.Name):
        return node.id in names.filled
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_filled(node.left, names) or _is_filled(node.right, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return _is_filled(node.left, names) and isinstance(node.right, ast.Constant) and node.right.value > 0
    if isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp)):
        return all(not part.ifs and _is_filled(part.iter, names) for part in node.generators)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        kept = node.func.attr in {"items", "keys", "values"} and _is_filled(node.func.value, names)
        drawn = node.func.attr == "sample" and isinstance(node.args[-1], ast.Constant) and node.args[-1].value > 0
        return kept or drawn or (node.func.attr in _KEEPS_LENGTH and all(_is_filled(a, names) for a in node.args))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "range":
            return _counts_something(node.args)
        return node.func.id in _KEEPS_LENGTH and bool(node.args) and all(_is_filled(a, names) for a in node.args)
    return False


def _counts_something(arguments):
    """Return whether `range` of these arguments has a number: `range(3)`, `range(1, 4)`, `range(start, start + 20)`."""
    values = [argument.value if isinstance(argument, ast.Constant) else None for argument in arguments]
    if None not in values:
        return len(range(*values)) > 0
    if len(arguments) != 2 or not isinstance(arguments[1], ast.BinOp) or not isinstance(arguments[1].op, ast.Add):
        return False
    same = ast.dump(arguments[1].left) == ast.dump(arguments[0])
    step = arguments[1].right
    return same and (isinstance(step, ast.Name) or (isinstance(step, ast.Constant) and step.value > 0))


def _may_leave(node):
    """Return whether a statement may end the function or the turn of the loop before what follows it."""
    if isinstance(node, _LEAVING):
        return True
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
        return False
    inner = [part for part in ast.iter_child_nodes(node) if isinstance(part, (ast.stmt, ast.ExceptHandler))]
    if isinstance(node, (ast.For, ast.While)):  # `continue` and `break` stay inside
        return any(isinstance(part, ast.Return) for part in ast.walk(node))
    return any(_may_leave(part) for part in inner)


def list_test_files(root):
    """Return the files of tests below a folder, in order."""
    return sorted(Path(root).rglob("test_*.py"))
