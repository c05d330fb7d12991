"""Write what a model is (digest, interface, operators, parameters, arithmetic) to identity.json."""

import argparse
import sys

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.sources.identity import identify_model


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--input", required=True, help="ONNX file")
    parser.add_argument("--output", required=True, help="identity.json to write")
    parser.add_argument("--whole-inputs", type=json_argument, default=[], help="JSON: inputs without a batch axis")
    args = parser.parse_args(argv)
    if fault := identify_model(args.model, args.input, args.output, args.whole_inputs):
        print(f"{args.model} cannot be used: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
