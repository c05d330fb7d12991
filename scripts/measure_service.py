"""Serve a family and measure what it can take: service.json."""

import argparse
from pathlib import Path

from edgeproof.adaptation.service_figures import ServiceSetting
from edgeproof.adaptation.service_measurement import measure_service
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Measure, and write service.json with the raw latencies beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--setting", required=True, type=json_argument, help="JSON: keys of `service` of the campaign")
    parser.add_argument("--family", required=True, type=Path, help="family.json")
    parser.add_argument("--output", required=True, type=Path, help="service.json to write")
    parser.add_argument("--raw", required=True, type=Path, help="service.npz to write")
    args = parser.parse_args(argv)
    require_order([__file__, args.family])
    measure_service(args.family, args.device, ServiceSetting(**args.setting), args.output, args.raw)


if __name__ == "__main__":
    run_program(main)
