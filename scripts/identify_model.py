"""Write what a model is (digest, interface, operators, parameters, arithmetic) to identity.json."""

import argparse
import sys

from edgeproof.core.cli import run_program
from edgeproof.sources.identity import identify_model


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--input", required=True, help="ONNX file")
    parser.add_argument("--output", required=True, help="identity.json to write")
    args = parser.parse_args(argv)
    if fault := identify_model(args.model, args.input, args.output):
        print(f"{args.model} cannot be used: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
