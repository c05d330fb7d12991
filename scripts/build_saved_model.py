"""Convert the fp32 source model to a TensorFlow SavedModel, which TFLite and Core ML artifacts are made from."""

import argparse

from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.core.cli import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True, help="model.onnx of the sources room")
    parser.add_argument("--identity", required=True, help="identity.json of the model")
    parser.add_argument("--toolchain", required=True, help="record of the toolchain that converts")
    parser.add_argument("--artifact", required=True, help="zip to write; empty when the conversion fails")
    parser.add_argument("--record", required=True, help="JSON to write beside it")
    parser.add_argument("--log", required=True, help="what the converter said")
    args = vars(parser.parse_args(argv))
    with start_converter("saved_model", args.pop("toolchain")) as converter:
        from edgeproof.artifacts.builds.saved_models import build_saved_model
        from edgeproof.artifacts.records.manifests import record_command

        build_saved_model(**args, converter=converter, command=record_command("scripts/build_saved_model.py", argv))


if __name__ == "__main__":
    run_program(main)
