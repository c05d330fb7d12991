"""Build an ONNX artifact of one precision from the fp32 source model, and its manifest."""

import argparse

from edgeproof.core.cli import importing, json_argument, run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", required=True, type=json_argument, help="JSON: model, preset, builder, precision")
    parser.add_argument("--source", required=True, help="model.onnx of the sources room")
    parser.add_argument("--identity", required=True, help="identity.json of the model")
    parser.add_argument("--preset", required=True, type=json_argument, help="JSON: backend, artifact, build options")
    parser.add_argument("--precision", required=True, help="fp32, fp16, int8 or int8-dynamic")
    parser.add_argument("--calibration", help="npz of calibration samples; int8 needs it")
    parser.add_argument("--artifact", required=True, help="ONNX file to write; empty when the build fails")
    parser.add_argument("--manifest", required=True, help="manifest.json to write beside it")
    args = vars(parser.parse_args(argv))
    with importing():
        from edgeproof.artifacts.builds.onnx_artifacts import build_onnx
        from edgeproof.artifacts.records.manifests import record_command
    build_onnx(**args, command=record_command("scripts/build_onnx.py", argv))


if __name__ == "__main__":
    run_program(main)
