"""Make the environment of a toolchain from its lock file, and record what is in it."""

import argparse

from edgeproof.artifacts.records.manifest_entries import record_command
from edgeproof.artifacts.toolchains.toolchain_making import make_toolchain
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", required=True, help="its name; the environment is .toolchains/NAME")
    parser.add_argument("--lock", required=True, help="hashed requirements")
    parser.add_argument("--output", required=True, help="JSON to write")
    args = parser.parse_args(argv)
    make_toolchain(args.toolchain, args.lock, args.output, record_command("scripts/make_toolchain.py", argv))


if __name__ == "__main__":
    run_program(main)
