"""Make a model by the recipe onnx-light: a topology that the onnx package carries, with seeded weights."""

import argparse
import sys

from edgeproof.core.cli import json_argument, run_program
from edgeproof.sources.input_shapes import fix_input_shapes
from edgeproof.sources.kept_models import make_by_recipe
from edgeproof.sources.onnx_light import make_onnx_light


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--options", required=True, type=json_argument, help='JSON: {"architecture": …, "seed": 0}')
    parser.add_argument("--output", required=True, help="ONNX file to write")
    parser.add_argument("--input-shapes", type=json_argument, help="JSON: sizes of axes that the model leaves open")
    args = parser.parse_args(argv)
    make_by_recipe(__file__, args.options, args.output, make_onnx_light)
    if fault := fix_input_shapes(args.output, args.input_shapes):
        print(f"no model: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
