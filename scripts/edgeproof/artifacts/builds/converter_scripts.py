"""What the scripts that build with a converter share: the order in which things are started."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.artifacts.records.formats import CONVERTED_FORMATS, FORMATS
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
    name = FORMATS[suffix].converter if suffix in CONVERTED_FORMATS else None
    if name is None or job.toolchain is None:
        raise UserError(f"--preset: artifact is {suffix!r}; {script} builds {', '.join(CONVERTED_FORMATS)}")
    with start_converter(name, job.toolchain) as converter:
        from .converted_artifacts import build_converted

        build_converted(job, converter, quantise)
