"""Convert the fp32 source model to a TensorFlow SavedModel, which TFLite and Core ML artifacts are made from."""

import argparse

from edgeproof.artifacts.builds.build_job import add_options
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.core.cli import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, ("source", "identity", "toolchain", "artifact", "record", "log"))
    args = vars(parser.parse_args(argv))
    with start_converter("saved_model", args.pop("toolchain")) as converter:
        from edgeproof.artifacts.builds.saved_models import build_saved_model
        from edgeproof.artifacts.records.manifests import record_command

        build_saved_model(**args, converter=converter, command=record_command("scripts/build_saved_model.py", argv))


if __name__ == "__main__":
    run_program(main)
