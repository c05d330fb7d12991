"""Convert the fp32 source model to a TensorFlow SavedModel, which TFLite and Core ML artifacts are made from."""

import argparse

from edgeproof.artifacts.builds.build_job import add_job_options
from edgeproof.artifacts.builds.build_shortcuts import has_attempts
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.core.program_start import run_program
from edgeproof.sources.input_faults import find_model_fault


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    add_job_options(parser, ("source", "identity", "toolchain", "artifact", "record", "log"))
    args = vars(parser.parse_args(argv))
    if (has_attempts(args["record"]) or find_model_fault(args["identity"])) and settle(args, argv):
        return
    with start_converter("saved_model", args.pop("toolchain")) as converter:
        from edgeproof.artifacts.builds.saved_models import build_saved_model

        build_saved_model(**args, converter=converter, command=describe(argv))


def settle(args, argv):
    """Use an earlier conversion if there is one: `settle_saved_model`, imported when it is needed."""
    from edgeproof.artifacts.builds.saved_models import settle_saved_model  # slower than starting the converter

    return settle_saved_model(args, describe(argv))


def describe(argv):
    """Return the command for the record."""
    from edgeproof.artifacts.records.manifest_entries import record_command

    return record_command("scripts/build_saved_model.py", argv)


if __name__ == "__main__":
    run_program(main)
