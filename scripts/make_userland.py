"""Make an emulated arm64 userland below .toolchains/ (`make arm64`)."""

import argparse

from edgeproof.core.program_start import run_program
from edgeproof.workflow.emulated_userland import USERLANDS, make_userland


def main(argv: list[str] | None) -> None:
    """Make each one that is not there yet, and print its Python."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--release", action="append", required=True, choices=USERLANDS, help="of Debian; may be repeated"
    )
    for release in dict.fromkeys(parser.parse_args(argv).release):
        print(make_userland(release))


if __name__ == "__main__":
    run_program(main)
