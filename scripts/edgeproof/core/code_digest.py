"""A digest of what Python code does: comments, docstrings, layout and line numbers leave it as it is.

The tree is serialised here and not by `ast.dump`, whose text changed in Python 3.13: equal code has one digest on every
Python that can run it.
"""

import ast
import json
from typing import Any, cast

from .files import sha256_bytes

# Who sets them differs between versions of Python, and none changes what the code does.
_LEFT_OUT = {"kind", "type_comment", "type_ignores", "ctx"}


def digest_code(source: bytes | str) -> str:
    """Return the digest of a module's code, the sha256 of its syntax tree; SyntaxError where the source has none."""
    text = json.dumps(_plain(ast.parse(source)), separators=(",", ":"), ensure_ascii=False)
    return sha256_bytes(text.encode("utf-8", "surrogatepass"))


def _plain(value: Any) -> Any:
    """Return a syntax tree as lists and texts, without positions, docstrings and empty fields."""
    if isinstance(value, ast.JoinedStr):
        return ["JoinedStr", _merge_constants(value.values)]
    if isinstance(value, ast.AST):
        fields = [(name, _strip_docstring(value, name, field)) for name, field in ast.iter_fields(value)]
        kept = [[name, _plain(field)] for name, field in fields if name not in _LEFT_OUT and _says_something(field)]
        if isinstance(value, ast.Constant):
            return ["Constant", type(value.value).__name__, repr(value.value)]
        return [type(value).__name__, *kept]
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return repr(value)


def _strip_docstring(node: ast.AST, name: str, field: Any) -> Any:
    """Return the statements of a module, class or function without its docstring."""
    if name != "body" or not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return field
    first = field[0] if field else None
    text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return field[1:] if text else field


def _says_something(field: Any) -> bool:
    """Tell whether a field has content: newer versions of Python add fields that are empty in older code."""
    return field is not None and field != []


def _merge_constants(parts: list[Any]) -> list[Any]:
    """Return the parts of an f-string with neighbouring texts joined: Python versions cut them in different places."""
    merged: list[Any] = []
    for part in parts:
        text = part.value if isinstance(part, ast.Constant) else None
        if isinstance(text, str):
            if text and merged and isinstance(merged[-1], str):
                merged[-1] += text
            elif text:
                merged.append(text)
        else:
            merged.append(_plain(part))
    return merged
