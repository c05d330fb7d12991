"""Compare the composed stages of a cut model with the whole, and write the verdict to cut.json."""

import argparse
from typing import Any

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.plans.cut_proof import prove_cut


def main(argv: list[str] | None) -> None:
    """Prove the cut and write the verdict; a cut that fails is a verdict, not an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--models", required=True, nargs="+", help="model.onnx: of the whole, then of every stage")
    parser.add_argument("--identities", required=True, nargs="+", help="identity.json, in the same order")
    parser.add_argument("--evaluations", required=True, nargs="+", help="evaluation.npz, in the same order")
    parser.add_argument("--reads", required=True, type=json_argument, help="JSON: per stage, which it reads")
    parser.add_argument("--output", required=True, help="cut.json to write")
    args = parser.parse_args(argv)
    parts: list[Any] = [
        dict(zip(("model", "identity", "evaluation"), paths, strict=True))
        for paths in zip(args.models, args.identities, args.evaluations, strict=True)
    ]
    prove_cut(args.pipeline, parts[0], parts[1:], args.reads, args.output)


if __name__ == "__main__":
    run_program(main)
