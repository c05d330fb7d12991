"""Compare what an artifact computes with what its fp32 source computes, and write the verdict."""

import argparse
import sys

from edgeproof.artifacts.agreement.parity import ParityJob, check_parity
from edgeproof.artifacts.records.manifest_entries import record_command
from edgeproof.artifacts.toolchains.toolchain_use import require_toolchains
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, type=json_argument, help="JSON: model, preset, builder, precision")
    parser.add_argument("--source", required=True, help="model.onnx of the sources room")
    parser.add_argument("--artifact", required=True, help="the artifact")
    parser.add_argument("--manifest", required=True, help="its manifest.json")
    parser.add_argument("--inputs", required=True, help="evaluation.npz")
    parser.add_argument("--samples", required=True, help="samples.json, which says what the evaluation set is")
    parser.add_argument("--task", default="none", help="what the model's outputs mean: its configured task")
    parser.add_argument("--judge", type=json_argument, help="JSON: how the task is judged, if it says so itself")
    parser.add_argument("--declared", type=json_argument, help="JSON: accuracies that were measured elsewhere")
    parser.add_argument("--arm", required=True, type=json_argument, help="JSON: backend, precision, runtime options")
    parser.add_argument("--thresholds", required=True, type=json_argument, help="JSON: the preset's parity limits")
    parser.add_argument("--interpreter", default=sys.executable, help="the Python that has the artifact's runtime")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that must be there")
    parser.add_argument("--parity", required=True, help="parity.json to write")
    parser.add_argument("--reference", required=True, help="npz to write: the artifact's outputs on the first sample")
    args = vars(parser.parse_args(argv))
    require_toolchains(args["toolchains"])
    require_order(args[name] for name in ("source", "artifact", "manifest", "inputs", "samples"))
    check_parity(ParityJob(**args, command=record_command("scripts/check_parity.py", argv)))


if __name__ == "__main__":
    run_program(main)
