"""Write the artifact of the fake backend, which simulates a model, and its manifest."""

import argparse

from edgeproof.artifacts.builds.onnx_artifacts import build_fake
from edgeproof.artifacts.records.manifests import record_command
from edgeproof.core.cli import json_argument, run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, type=json_argument, help="JSON: model, preset, builder, precision")
    parser.add_argument("--source", required=True, help="model.onnx of the sources room")
    parser.add_argument("--identity", required=True, help="identity.json of the model")
    parser.add_argument("--preset", required=True, type=json_argument, help="JSON: backend, artifact, build options")
    parser.add_argument("--precision", required=True, help="fp32, fp16, int8 or int8-dynamic")
    parser.add_argument("--calibration", help="accepted as by the other builders; nothing is calibrated")
    parser.add_argument("--artifact", required=True, help="JSON file to write; empty when the build fails")
    parser.add_argument("--manifest", required=True, help="manifest.json to write beside it")
    args = vars(parser.parse_args(argv))
    del args["calibration"]
    build_fake(**args, command=record_command("scripts/build_fake.py", argv))


if __name__ == "__main__":
    run_program(main)
