"""What the programs of all recipes do: read options, make the model or take it from the store, fix its open axes."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.job_options import json_argument

from .input_shapes import fix_input_shapes
from .kept_models import make_by_recipe


def run_recipe(argv: Sequence[str], description: str | None, script: str, make: Callable[[Json, Path], object]) -> None:
    """Run a recipe's program: make a model as the command line says, by `make(options, path)`. `script`: its file."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--options", required=True, type=json_argument, help="JSON: the recipe's options, {} for none")
    parser.add_argument("--output", required=True, help="ONNX file to write")
    parser.add_argument("--input-shapes", type=json_argument, help="JSON: sizes of axes that the model leaves open")
    args = parser.parse_args(argv)
    make_by_recipe(script, args.options, args.output, make)
    if fault := fix_input_shapes(args.output, args.input_shapes):
        print(f"no model: {fault}", file=sys.stderr)
