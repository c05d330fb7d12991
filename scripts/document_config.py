"""Write the tables of config/README.md from the schemas (`make docs`; a test compares them)."""

import argparse
from pathlib import Path

from edgeproof.core.files import atomic_write
from edgeproof.core.program_start import run_program
from edgeproof.core.schema_tables import render_page


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=Path("config/README.md"), help="page to write")
    args = parser.parse_args(argv)
    atomic_write(args.page, render_page(args.page.read_text()))


if __name__ == "__main__":
    run_program(main)
