"""Write the scenario of a measured pipeline; every number in it names the result that it comes from."""

import argparse
from typing import Any

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.plans.scenario.assembling import write_scenario


def main(argv: list[str] | None) -> None:
    """Write the scenario of one pipeline."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--document", required=True, type=json_argument, help="JSON: the pipeline")
    parser.add_argument("--identities", required=True, nargs="+", help="identity.json of every stage")
    parser.add_argument("--cells", required=True, type=json_argument, help="JSON: stage, executor, precision per cell")
    parser.add_argument("--results", required=True, nargs="+", help="result.json of every cell")
    parser.add_argument("--parities", required=True, nargs="+", help="parity.json of every cell")
    parser.add_argument("--links", nargs="?", help="links.json, where links are measured")
    parser.add_argument("--cut", nargs="?", help="cut.json, where a model is cut")
    parser.add_argument("--output", required=True, help="scenario.json to write")
    args = parser.parse_args(argv)
    cells: list[Any] = [
        {**cell, "result": result, "parity": parity}
        for cell, result, parity in zip(args.cells, args.results, args.parities, strict=True)
    ]
    write_scenario(args.pipeline, args.document, args.identities, cells, args.links, args.cut, args.output)


if __name__ == "__main__":
    run_program(main)
