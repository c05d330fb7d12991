"""What the scripts that build with a converter share: the order in which things are started."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.artifacts.records.formats import CONVERTED_FORMATS, FORMATS
from edgeproof.core.errors import UserError

from .build_job import CONVERTED, SUPPLIED, parse_build_job
from .build_shortcuts import take_shortcut
from .converter_process import start_converter


def run_converter_script(
    script: str, description: str | None, argv: Sequence[str], quantise: Callable[..., tuple[Path, dict]] | None = None
) -> None:
    """Do what a script that builds with a converter does: build what its command line `argv` describes.

    `quantise`: see `build_converted`. An earlier build with the same key is put into place instead. Otherwise the
    converter is started before anything else of ours is imported, so that both load at the same time.
    """
    job = parse_build_job(script, description, argv, (*CONVERTED, *SUPPLIED))
    suffix = job.preset.get("artifact")
    name = FORMATS[suffix].converter if suffix in CONVERTED_FORMATS else None
    if name is None or job.toolchain is None:
        raise UserError(f"--preset: artifact is {suffix!r}; {script} builds {', '.join(CONVERTED_FORMATS)}")
    if take_shortcut(job):
        return
    with start_converter(name, job.toolchain) as converter:
        from .converted_artifacts import build_converted

        build_converted(job, converter, quantise)
