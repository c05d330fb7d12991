"""The environment of the Python processes that we start: what a user has set for another Python does not reach them."""

import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import cast

from .layout import REPOSITORY

SCRIPTS = REPOSITORY / "scripts"
# Variables that tell a Python where to look for packages and what to do first. Locale and encoding stay.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONSAFEPATH")


def child_environment(interpreter: str | os.PathLike[str], changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child process: its Python finds edgeproof's packages and its own, and no others.

    `changes`: variables to set besides. A board's own Python keeps the user's packages (`pip install --user`), for its
    runtime may be there; ours does without.
    """
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    environment["PYTHONPATH"] = str(SCRIPTS)
    if str(interpreter) == sys.executable:
        environment["PYTHONNOUSERSITE"] = "1"
    return environment | dict(changes or {})


def shell_prefix() -> str:
    """Return the shell text that gives child processes the `child_environment`, as a prefix of rules' commands."""
    return f"unset {' '.join(FOREIGN)}; export PYTHONNOUSERSITE=1; "


def drop_foreign_paths() -> None:
    """Take what a foreign PYTHONPATH has put on the search path of this Python process off it."""
    foreign = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}
    sys.path[:] = [path for path in sys.path if os.path.abspath(path or ".") not in foreign - {str(SCRIPTS)}]


def keep_pandas_out() -> None:
    """Keep pandas out of Snakemake's Python processes: it imports it (0.3 s) as soon as a job has params, for tables.

    Ours are JSON texts, and nothing here has tables.
    """
    sys.modules.setdefault("pandas", cast(ModuleType, None))  # to the import system: there is no such package
