"""The code of a job: the files of this repository that a script executes, found by reading its imports.

Imports are read from the syntax tree and followed inside `scripts/`, so they must be static. The agent and the
converters are started as programs, so no import leads to them; their files are listed here.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path("scripts")
AGENT = ROOT / "edgeproof" / "agent"
CONVERTERS = ROOT / "edgeproof" / "converters"


def list_module_files(module: str, root: Path = ROOT) -> Iterator[Path]:
    """Yield the files below `root` that importing the dotted `module` executes, packages first."""
    stem = root
    for part in module.split("."):
        stem /= part
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                yield path


def list_imports(path: Path, root: Path = ROOT) -> Iterator[str]:
    """Yield the absolute dotted names that one source file imports, also inside functions."""
    package = path.parent.relative_to(root).parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            anchor = package[: len(package) + 1 - node.level] if node.level else ()
            prefix = [*anchor, *filter(None, [node.module])]
            yield from (".".join([*prefix, alias.name]) for alias in node.names)


@cache
def list_code(script: str) -> list[str]:
    """Return the project files that a script imports, sorted, without the script itself."""
    found: set[Path] = set()
    pending = {Path(script)}
    while pending:
        path = pending.pop()
        found.add(path)
        for module in list_imports(path):
            pending.update(set(list_module_files(module)) - found)
    return sorted(str(path) for path in found - {Path(script)})


@cache
def list_agent_code() -> list[str]:
    """Return the files of the agent, sorted."""
    return sorted(str(path) for path in AGENT.rglob("*.py"))


def list_converter_code(name: str) -> list[str]:
    """Return the files that run when the converter `name` is started in its toolchain."""
    module = f"{CONVERTERS}/to_{name}.py"
    return [f"{CONVERTERS}/__main__.py", module, *list_code(module)]
