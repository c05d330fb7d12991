"""Cut one stage of a pipeline out of its model."""

import argparse

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.sources.cutting import cut_stage


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="model.onnx of the whole model")
    parser.add_argument("--inputs", required=True, type=json_argument, help="JSON: names of tensors, null: the model's")
    parser.add_argument("--outputs", required=True, type=json_argument, help="JSON: as --inputs")
    parser.add_argument("--output", required=True, help="ONNX file to write")
    args = parser.parse_args(argv)
    cut_stage(args.source, args.inputs, args.outputs, args.output)


if __name__ == "__main__":
    run_program(main)
