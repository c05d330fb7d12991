"""Write the calibration and the evaluation samples of a model, and what they are to samples.json."""

import argparse
import sys

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.sources.samples import make_samples


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identity", required=True, help="identity.json of the model")
    parser.add_argument("--spec", required=True, type=json_argument, help="JSON: the samples entry of the model's YAML")
    parser.add_argument(
        "--task",
        choices=("classification", "regression", "none"),
        default="none",
        help="classification needs labels, regression targets",
    )
    parser.add_argument("--calibration", required=True, help="npz to write")
    parser.add_argument("--evaluation", required=True, help="npz to write")
    parser.add_argument("--output", required=True, help="samples.json to write")
    args = parser.parse_args(argv)
    fault = make_samples(args.identity, args.spec, args.task, args.calibration, args.evaluation, args.output)
    if fault:
        print(f"no samples: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
