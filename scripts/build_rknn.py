"""Build an RKNN artifact with the vendor's toolkit, which the user has installed, and its manifest."""

import argparse

from edgeproof.artifacts.builds.rknn_artifacts import build_rknn
from edgeproof.artifacts.records.manifests import record_command
from edgeproof.core.cli import json_argument, run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, type=json_argument, help="JSON: model, preset, builder, precision")
    parser.add_argument("--source", required=True, help="model.onnx of the sources room")
    parser.add_argument("--identity", required=True, help="identity.json of the model")
    parser.add_argument("--preset", required=True, type=json_argument, help="JSON: backend, artifact, build options")
    parser.add_argument("--precision", required=True, help="fp16 or int8")
    parser.add_argument("--calibration", help="npz of calibration samples; int8 needs it")
    parser.add_argument("--board", default="", help="text that this machine's own name must contain")
    parser.add_argument("--interpreter", help="Python that has rknn-toolkit2")
    parser.add_argument("--lock", help="lock file of the device; the usual one if it is not given")
    parser.add_argument("--artifact", required=True, help="file to write; empty when the build fails")
    parser.add_argument("--manifest", required=True, help="manifest.json to write beside it")
    parser.add_argument("--log", required=True, help="what the tools said")
    args = vars(parser.parse_args(argv))
    build_rknn(**args, command=record_command("scripts/build_rknn.py", argv))


if __name__ == "__main__":
    run_program(main)
