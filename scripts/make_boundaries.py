"""Compute the boundaries of the sequential t-test and store them as `scripts/edgeproof/core/boundaries.json`.

`--check` draws sequences of independent normal pairs and prints how often they cross each stored boundary of one
comparison, beside what the boundary promises.
"""

import argparse

from edgeproof.bench.simulation import count_crossings
from edgeproof.core.boundaries import TABLE, compute_boundary, find_boundary, list_stored, render_table
from edgeproof.core.cli import run_program


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", type=int, metavar="SEQUENCES", help="write nothing, check by simulation")
    args = parser.parse_args(argv)
    if args.check:
        for level, first, horizon in list_stored()[::20]:
            crossed, error = count_crossings(find_boundary(level, first, horizon), args.check)
            print(f"from {first} to {horizon}: promised {level:.4%}, simulated {crossed:.4%} ± {2.576 * error:.4%}")
        return 0
    TABLE.write_text(render_table([compute_boundary(*wanted) for wanted in list_stored()]))
    print(f"{len(list_stored())} boundaries in {TABLE}")
    return 0


if __name__ == "__main__":
    run_program(main)
