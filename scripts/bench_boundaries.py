"""Draw sequences of independent normal pairs and print how often they cross each stored boundary of one comparison.

Beside it stands what the boundary promises.
"""

import argparse

from edgeproof.bench.simulated_verdicts import count_crossings
from edgeproof.core.boundaries import ALPHA, find_boundary, list_stored
from edgeproof.core.program_start import run_program


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=100_000, help="per boundary (100,000)")
    args = parser.parse_args(argv)
    for level, first, horizon in (row for row in list_stored() if row[0] in (ALPHA / 2, ALPHA)):
        crossed, error = count_crossings(find_boundary(level, first, horizon), args.sequences)
        print(f"from {first} to {horizon}: promised {level:.4%}, simulated {crossed:.4%} ± {2.576 * error:.4%}")
    return 0


if __name__ == "__main__":
    run_program(main)
