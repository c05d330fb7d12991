"""Download a model file: resumed after a cut, retried when that may help, used only if its sha256 is right."""

import argparse
import sys

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.sources.fetching import ATTEMPTS, SIZE_LIMIT_BYTES, download_model
from edgeproof.sources.input_shapes import fix_input_shapes


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="http or https address")
    parser.add_argument("--sha256", required=True, help="what the file's bytes must hash to")
    parser.add_argument("--output", required=True, help="ONNX file to write")
    parser.add_argument(
        "--size-limit-bytes", type=int, default=SIZE_LIMIT_BYTES, help="refuse more (default %(default)s)"
    )
    parser.add_argument(
        "--attempts", type=int, default=ATTEMPTS, help="without progress in a row (default %(default)s)"
    )
    parser.add_argument("--input-shapes", type=json_argument, help="JSON: sizes of axes that the model leaves open")
    args = parser.parse_args(argv)
    fault = download_model(args.url, args.sha256, args.output, args.size_limit_bytes, args.attempts)
    fault = fault or fix_input_shapes(args.output, args.input_shapes)
    if fault:
        print(f"no model: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
