"""Build an artifact with the converter of its format, in the toolchain that has it, and its manifest."""

from edgeproof.artifacts.builds.converter_scripts import run_converter_script
from edgeproof.core.program_start import run_program


def main(argv):
    run_converter_script("scripts/build_converted.py", __doc__, argv)


if __name__ == "__main__":
    run_program(main)
