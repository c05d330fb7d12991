"""Put a stored artifact where a build would put its own."""

import argparse
from pathlib import Path

from edgeproof.artifacts.reused_artifacts import place_artifact
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kept", required=True, type=Path, help="the stored artifact")
    parser.add_argument("--sha256", required=True, help="its digest")
    parser.add_argument("--output", required=True, type=Path, help="file to write")
    args = parser.parse_args(argv)
    place_artifact(args.kept, args.sha256, args.output)


if __name__ == "__main__":
    run_program(main)
