"""Copy a model file into the workflow, checking its sha256 when one is given."""

import argparse
import sys

from edgeproof.core.cli import run_program
from edgeproof.sources.copying import copy_model


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="ONNX file")
    parser.add_argument("--sha256", help="what the file's bytes must hash to")
    parser.add_argument("--output", required=True, help="ONNX file to write; a note if there is no model")
    args = parser.parse_args(argv)
    if fault := copy_model(args.source, args.sha256, args.output):
        print(f"no model: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
