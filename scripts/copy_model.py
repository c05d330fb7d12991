"""Copy a model file into the workflow, checking its sha256 when one is given."""

import argparse
import sys

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.sources.copying import copy_model
from edgeproof.sources.input_shapes import fix_input_shapes


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="ONNX file")
    parser.add_argument("--sha256", help="what the file's bytes must hash to")
    parser.add_argument("--output", required=True, help="ONNX file to write; a note if there is no model")
    parser.add_argument("--input-shapes", type=json_argument, help="JSON: sizes of axes that the model leaves open")
    args = parser.parse_args(argv)
    fault = copy_model(args.source, args.sha256, args.output) or fix_input_shapes(args.output, args.input_shapes)
    if fault:
        print(f"no model: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
