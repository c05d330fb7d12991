"""Mend a .venv that came along with a copied checkout, and refuse another checkout's (the Makefile asks every time)."""

import argparse
import sys
from pathlib import Path

from edgeproof.core.checkout import settle_environment
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path("."), help="the checkout (default: here)")
    if told := settle_environment(parser.parse_args(argv).root):
        print(told, file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
