"""The code of a job: the files of this repository that a script executes, found by reading its imports.

Imports are read from the syntax tree and followed inside `scripts/`, so they must be static. The agent and the
converters are started as programs, so no import leads to them; their files are listed here.
"""

import atexit
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .digest_cache import DigestCache
from .files import sha256_bytes

if TYPE_CHECKING:  # takes 8 ms to import, and what was read before is remembered
    import ast

ROOT = Path("scripts")
AGENT = ROOT / "edgeproof" / "agent"
CONVERTERS = ROOT / "edgeproof" / "converters"
WORDING = "_texts.py"  # modules of constants that only people read


def list_module_files(module: str, root: Path = ROOT) -> Iterator[Path]:
    """Yield a module's closure: the files below `root` that importing the dotted `module` executes, packages first."""
    stem = os.fspath(root)  # texts: a Path for each of a thousand questions would take as long as a small build
    for part in module.split("."):
        stem = os.path.join(stem, part)
        found = [path for path in (os.path.join(stem, "__init__.py"), f"{stem}.py") if os.path.isfile(path)]
        yield from map(Path, found)
        if not found and not os.path.isdir(stem):
            return


def list_imports(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield the absolute dotted names that a source file of a closure imports, also inside functions."""
    import ast

    yield from _imports_of(ast.parse(path.read_bytes()), path.parent.relative_to(root).parts)


def _imports_of(tree: "ast.Module", package: tuple[str, ...]) -> Iterator[str]:
    import ast

    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            anchor = package[: len(package) + 1 - node.level] if node.level else ()
            prefix = [*anchor, *filter(None, [node.module])]
            yield from (".".join([*prefix, alias.name]) for alias in node.names)


@cache
def list_code(script: str) -> list[str]:
    """Return the closure of a script without itself: the project files that it imports, sorted."""
    found: set[Path] = set()
    pending = {Path(script)}
    while pending:
        path = pending.pop()
        found.add(path)
        pending.update(_files_imported(path) - found)
    return sorted(str(path) for path in found - {Path(script)})


@cache
def list_agent_code() -> list[str]:
    """Return the files in the agent's closure, sorted."""
    return sorted(str(path) for path in AGENT.rglob("*.py"))


def list_converter_code(name: str) -> list[str]:
    """Return the closure of the converter `name`: the files that it executes in its toolchain."""
    module = f"{CONVERTERS}/to_{name}.py"
    return [f"{CONVERTERS}/__main__.py", module, *list_code(module)]


def digest_files(paths: Iterable[str]) -> str:
    """Return the digest of a closure: one sha256 over name and digest of the code of each file, in order of name.

    Comments, docstrings and layout are left out (see `code_digest`), and so are modules of wording.
    """
    known = {path: _read_facts(Path(path))["digest"] for path in paths if not path.endswith(WORDING)}
    return sha256_bytes("".join(f"{path} {digest}\n" for path, digest in sorted(known.items())).encode())


@cache
def digest_script(script: str) -> str:
    """Return the digest of a script's closure: the script and all that it imports."""
    return digest_files([script, *list_code(script)])


@cache
def digest_agent_code(folder: Path = AGENT) -> str:
    """Return the digest of the agent's closure: its files of code decide what a measurement is."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*.py"))
    return sha256_bytes("".join(f"{name} {_digest_of(path)}\n" for name, path in files).encode())


@cache
def digest_converter(name: str) -> str:
    """Return the digest of a converter's closure: the files of code that it executes."""
    return digest_files(list_converter_code(name))


@cache
def digest_text(path: str) -> str:
    """Return the sha256 of a closure's file that is no Python, such as a template."""
    return sha256_bytes(Path(path).read_bytes())


@cache
def _files_imported(path: Path) -> frozenset[Path]:
    return frozenset(file for module in _read_facts(path)["imports"] for file in _module_files(module))


@cache
def _module_files(module: str) -> tuple[Path, ...]:
    return tuple(list_module_files(module))


@cache
def _facts() -> DigestCache:
    """Return what is known of code files. It is saved when the process ends, for parsing them takes a second."""
    facts = DigestCache("code", is_sound=_is_sound)
    atexit.register(facts.save)
    return facts


def _is_sound(facts: Any) -> bool:
    match facts:
        case {"digest": str(), "imports": [*imports]}:
            return all(isinstance(name, str) for name in imports)
        case _:
            return False


@cache
def _read_facts(path: Path) -> Any:
    """Return {digest, imports} of a code file."""
    return _facts().ask(path, _describe_code)


def _digest_of(path: Path) -> str:
    """Return the digest of one file: remembered for this checkout's own files, by their relative path."""
    if not path.is_absolute():
        return _read_facts(path)["digest"]
    from .code_digest import digest_code

    return digest_code(path.read_bytes())


def _describe_code(path: Path) -> dict[str, Any]:
    import ast

    from .code_digest import digest_code

    source = path.read_bytes()
    package = path.parent.relative_to(ROOT).parts
    return {"digest": digest_code(source), "imports": list(_imports_of(ast.parse(source), package))}
