"""Make a model by the recipe diabetes-mlp: train a small regression network on the diabetes data (a second)."""

import argparse
import sys

from edgeproof.core.cli import json_argument, run_program
from edgeproof.sources.diabetes_mlp import make_diabetes_mlp
from edgeproof.sources.input_shapes import fix_input_shapes
from edgeproof.sources.kept_models import make_by_recipe


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", required=True, type=json_argument, help='JSON: {"seed": 0, "epochs": …} or {}')
    parser.add_argument("--output", required=True, help="ONNX file to write")
    parser.add_argument("--input-shapes", type=json_argument, help="JSON: sizes of axes that the model leaves open")
    args = parser.parse_args(argv)
    make_by_recipe(__file__, args.options, args.output, make_diabetes_mlp)
    if fault := fix_input_shapes(args.output, args.input_shapes):
        print(f"no model: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
