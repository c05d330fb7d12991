"""Write what makes what stale, `tests/data/staleness_matrix.json`: tests hold it against code and Snakemake."""

import argparse
from pathlib import Path

from edgeproof.bench.staleness_matrix import build_matrix, render_matrix
from edgeproof.core.files import atomic_write
from edgeproof.core.program_start import run_program


def main(argv: list[str]) -> None:
    """Write the matrix of the configuration and code in the current folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", type=Path, default=Path("tests/data/staleness_campaign.yaml"), help="documents")
    parser.add_argument("--output", default="tests/data/staleness_matrix.json", help="file to write")
    args = parser.parse_args(argv)
    rows = build_matrix(args.campaign)
    atomic_write(args.output, render_matrix(rows))
    print(f"{len(rows)} rows")


if __name__ == "__main__":
    run_program(main)
