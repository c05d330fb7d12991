"""What the scripts share that build with a converter: their options, and the order in which things are started."""

import argparse

from edgeproof.artifacts.records.formats import FORMATS
from edgeproof.core.cli import json_argument

from .converter_process import start_converter


def build(script, description, argv, quantise=None):
    """Build the artifact that the options `argv` of `script` name. `quantise`: see `converted.build_converted`.

    The converter is started before anything else of ours is imported, so that both load at the same time.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cell", required=True, type=json_argument, help="JSON: model, preset, builder, precision")
    parser.add_argument("--source", required=True, help="model.onnx of the sources room")
    parser.add_argument("--identity", required=True, help="identity.json of the model")
    parser.add_argument("--preset", required=True, type=json_argument, help="JSON: backend, artifact, build options")
    parser.add_argument("--precision", required=True, help="fp32, fp16, int8, int8-dynamic or int8-weights")
    parser.add_argument("--calibration", help="npz of calibration samples; int8 needs it")
    parser.add_argument("--toolchain", required=True, help="record of the toolchain that converts")
    parser.add_argument("--saved-model", help="record of the model's SavedModel, for what is made from it")
    parser.add_argument("--artifact", required=True, help="file to write; empty when the build fails")
    parser.add_argument("--manifest", required=True, help="manifest.json to write beside it")
    parser.add_argument("--log", required=True, help="what the converter said")
    args = vars(parser.parse_args(argv))
    with start_converter(FORMATS[args["preset"]["artifact"]].converter, args.pop("toolchain")) as converter:
        from edgeproof.artifacts.records.manifests import record_command

        from .converted_artifacts import build_converted

        build_converted(**args, converter=converter, quantise=quantise, command=record_command(script, argv))
