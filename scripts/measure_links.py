"""Measure the time to hand a tensor from one executor of a pipeline to another, and write links.json."""

import argparse
import sys
from pathlib import Path

from edgeproof.artifacts.toolchains.toolchain_use import require_toolchains
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.plans.hand_overs import measure_hand_overs


def main(argv: list[str] | None) -> None:
    """Measure the links of a pipeline and write links.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", required=True)
    for name in ("arm", "device", "protocol"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that must be there")
    parser.add_argument("--output", required=True, type=Path, help="links.json to write")
    args = vars(parser.parse_args(argv))
    toolchains = args.pop("toolchains")
    require_toolchains(toolchains)
    require_order([__file__, *toolchains])
    measure_hand_overs(**args)


if __name__ == "__main__":
    run_program(main)
