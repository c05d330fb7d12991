"""The functions and classes of a file, as far as the rules of the house ask for them."""

import ast
import functools
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Function(NamedTuple):
    """One `def`. `name`: with the classes and functions around it. `parameters`: without `self` and `cls`.

    `public`: neither it nor what is around it begins with an underscore, and it does not stand inside a function.
    `annotated`: all its parameters and its return. `documented`: it has a docstring. `bases`: of its class.
    """

    name: str
    parameters: tuple[str, ...]
    public: bool
    annotated: bool
    documented: bool
    bases: tuple[str, ...]


@functools.cache
def list_functions(path):
    """Return the `Function`s of a file, nested ones included."""
    return list(_walk(ast.parse(path.read_text()), (), True))


def list_classes(path):
    """Return {name of a class: (its bases, the methods that have a docstring)} of a file."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, _FUNCTIONS)]
            found[node.name] = (_list_bases(node), {item.name for item in methods if ast.get_docstring(item)})
    return found


def _walk(node, around, public):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef)):
            name, seen = (*around, child.name), public and not child.name.startswith("_")
            if isinstance(child, _FUNCTIONS):
                yield _describe(child, node, ".".join(name), seen)
                seen = False
            yield from _walk(child, name, seen)
        else:
            yield from _walk(child, around, public)


def _describe(function, parent, name, public):
    """Return the `Function` of a `def`; `parent`: the class or whatever else it stands in."""
    given = function.args
    parameters = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    decorators = {ast.unparse(decorator) for decorator in function.decorator_list}
    method = isinstance(parent, ast.ClassDef)
    if method and "staticmethod" not in decorators:
        parameters = parameters[1:]
    return Function(
        name,
        tuple(parameter.arg for parameter in parameters),
        public and "overload" not in decorators,
        function.returns is not None and all(parameter.annotation for parameter in parameters),
        ast.get_docstring(function) is not None,
        _list_bases(parent) if method else (),
    )


def _list_bases(node):
    """Return the names of a class's bases, without modules and type arguments."""
    bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
    return tuple(ast.unparse(base).rpartition(".")[2] for base in bases)
