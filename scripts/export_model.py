"""Export a PyTorch or TensorFlow model to ONNX in its toolchain, and compare it with what that computes."""

import argparse
import sys

from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.core.exported_sources import EXPORTERS
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--source", required=True, type=json_argument, help="JSON: the model's source")
    parser.add_argument("--toolchain", required=True, help="record of the toolchain that exports")
    parser.add_argument("--output", required=True, help="ONNX file to write; a note if there is no model")
    parser.add_argument("--record", required=True, help="JSON to write beside it")
    parser.add_argument("--log", required=True, help="file for the output of the exporter")
    parser.add_argument("--input-shapes", type=json_argument, help="JSON: sizes of axes that the model leaves open")
    args = vars(parser.parse_args(argv))
    shapes = args.pop("input_shapes")
    with start_converter(EXPORTERS[args["source"]["kind"]], args.pop("toolchain")) as converter:
        from edgeproof.artifacts.builds.exported_models import ExportJob, export_model
        from edgeproof.artifacts.records.manifest_entries import record_command
        from edgeproof.sources.input_shapes import fix_input_shapes

        job = ExportJob(**args, command=record_command("scripts/export_model.py", argv))
        fault = export_model(job, converter) or fix_input_shapes(args["output"], shapes)
    if fault:
        print(f"no model: {fault}", file=sys.stderr)


if __name__ == "__main__":
    run_program(main)
