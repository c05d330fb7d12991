"""Pack the evidence of a campaign into one file that anybody can verify: bundle.zip."""

import argparse

from edgeproof.bundles.importing import make_bundle
from edgeproof.core.program_start import run_program


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True)
    parser.add_argument("--output", required=True, help="bundle.zip to write")
    args = parser.parse_args(argv)
    make_bundle("campaign", args.campaign, args.output)


if __name__ == "__main__":
    run_program(main)
