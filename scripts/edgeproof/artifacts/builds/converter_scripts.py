"""What the scripts that build with a converter share: the order in which things are started."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.artifacts.records.formats import FORMATS
from edgeproof.core.errors import UserError

from .build_job import CONVERTED, parse_job
from .converter_process import start_converter


def build_with_converter(
    script: str, description: str | None, argv: Sequence[str], quantise: Callable[..., tuple[Path, dict]] | None = None
) -> None:
    """Build the artifact that the command line `argv` of `script` describes. `quantise`: see `build_converted`.

    The converter is started before anything else of ours is imported, so that both load at the same time.
    """
    job = parse_job(script, description, argv, CONVERTED)
    suffix = job.preset.get("artifact")
    if suffix not in FORMATS or FORMATS[suffix].converter is None or job.toolchain is None:
        known = ", ".join(name for name, kind in FORMATS.items() if kind.packages)
        raise UserError(f"--preset: artifact is {suffix!r}; {script} builds {known}")
    with start_converter(FORMATS[suffix].converter, job.toolchain) as converter:
        from .converted_artifacts import build_converted

        build_converted(job, converter, quantise)
