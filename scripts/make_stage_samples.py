"""Write the samples of a stage: what the stages before it make of the whole model's samples."""

import argparse
from pathlib import Path

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.sources.stage_samples import make_stage_samples


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identity", required=True, help="identity.json of the stage")
    parser.add_argument("--models", nargs="*", default=[], help="model.onnx of the stages that it reads; may be none")
    parser.add_argument("--calibrations", required=True, nargs="+", help="their calibration.npz, or the whole model's")
    parser.add_argument("--evaluations", required=True, nargs="+", help="evaluation.npz, in the same order")
    parser.add_argument("--counts", required=True, type=json_argument, help="JSON: {calibration, evaluation}")
    parser.add_argument("--record", required=True, type=Path, help="samples.json to write; both sets go beside it")
    args = parser.parse_args(argv)
    models = args.models or [None]  # the whole model's samples are a stage's own
    before = [
        {"model": model, "calibration": calibration, "evaluation": evaluation}
        for model, calibration, evaluation in zip(models, args.calibrations, args.evaluations, strict=True)
    ]
    make_stage_samples(args.identity, before, args.counts, args.record.parent)


if __name__ == "__main__":
    run_program(main)
