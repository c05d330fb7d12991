"""Copies of the workflow to try things in: its code and configuration without results, and Snakemake in them."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeproof.core.layout import REPOSITORY

_CODE = ("Snakefile", "rules", "scripts", "config", "envs", "profiles", "local")


def copy_workflow(folder: Path) -> Path:
    """Copy the workflow's own files into a new folder and return it."""
    folder.mkdir(parents=True)
    for name in _CODE:
        source = REPOSITORY / name
        if source.is_symlink():
            (folder / name).symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        else:
            shutil.copy(source, folder / name)
    return folder


def compose_command(options: Sequence[str]) -> list[str]:
    """Return the command that runs Snakemake in a copy of the workflow, with the current Python."""
    return [sys.executable, "-m", "snakemake", *options]


def clean_environment() -> dict[str, str]:
    """Return the variables for a copy of the workflow, without those that reach into other Snakemakes or Pythons."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("SNAKEMAKE_", "PYTHONPATH"))}
