"""Compute the boundaries of the sequential t-test and store them as `scripts/edgeproof/core/boundaries.json`."""

import argparse

from edgeproof.core.boundaries import TABLE, compute_boundary, list_stored, render_table
from edgeproof.core.program_start import run_program


def main(argv: list[str]) -> int:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    TABLE.write_text(render_table([compute_boundary(*wanted) for wanted in list_stored()]))
    print(f"{len(list_stored())} boundaries in {TABLE}")
    return 0


if __name__ == "__main__":
    run_program(main)
