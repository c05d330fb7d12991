"""Write the samples of a stage: what the stages before it make of the whole model's samples."""

import argparse
from pathlib import Path

from edgeproof.core.cli import json_argument, run_program
from edgeproof.sources.stage_samples import make_stage_samples


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identity", required=True, help="identity.json of the stage")
    parser.add_argument("--model", nargs="?", help="model.onnx of the stage before; none for the first stage")
    parser.add_argument("--calibration", required=True, help="calibration.npz of the stage before, or the whole model")
    parser.add_argument("--evaluation", required=True, help="its evaluation.npz")
    parser.add_argument("--counts", required=True, type=json_argument, help="JSON: {calibration, evaluation}")
    parser.add_argument("--record", required=True, type=Path, help="samples.json to write; both sets go beside it")
    args = parser.parse_args(argv)
    before = {"model": args.model, "calibration": args.calibration, "evaluation": args.evaluation}
    make_stage_samples(args.identity, before, args.counts, args.record.parent)


if __name__ == "__main__":
    run_program(main)
