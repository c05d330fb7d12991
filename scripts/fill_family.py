"""Fill a family of variants from measured results: family.json."""

import argparse

from edgeproof.adaptation.families import write_family
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Write family.json of one family on one device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--document", required=True, type=json_argument, help="JSON: the family")
    parser.add_argument("--sources", required=True, type=json_argument, help="JSON: paths by variant")
    parser.add_argument("--output", required=True, help="family.json to write")
    args = parser.parse_args(argv)
    write_family(args.family, args.device, args.document, args.sources, args.output)


if __name__ == "__main__":
    run_program(main)
