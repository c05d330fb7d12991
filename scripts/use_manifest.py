"""Write the manifest of a stored artifact for the cell that it takes the place of."""

import argparse
from pathlib import Path

from edgeproof.artifacts.reused_artifacts import place_manifest
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", required=True, type=Path, help="manifest.json of the stored artifact")
    parser.add_argument("--cell", required=True, type=json_argument, help="JSON: model, preset, builder, precision")
    parser.add_argument("--output", required=True, type=Path, help="manifest.json to write")
    args = parser.parse_args(argv)
    place_manifest(args.kept, args.cell, args.output)


if __name__ == "__main__":
    run_program(main)
