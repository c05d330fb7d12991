"""Replay a trace by a policy, under both guards: decisions.jsonl and summary.json."""

import argparse

from edgeproof.adaptation.replay_documents import Replay, write_replay
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Write the decisions and the summary of one replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", required=True, help="family.json")
    parser.add_argument("--policy", required=True, help="name of the policy")
    parser.add_argument("--policy-document", required=True, type=json_argument, help="JSON: policy, guard, limits")
    parser.add_argument("--trace", required=True, help="name of the trace")
    parser.add_argument("--trace-document", required=True, type=json_argument, help="JSON: file and conditions")
    parser.add_argument("--decisions", required=True, help="decisions.jsonl to write")
    parser.add_argument("--summary", required=True, help="summary.json to write")
    args = parser.parse_args(argv)
    replay = Replay(args.family, args.policy, args.policy_document, args.trace, args.trace_document)
    write_replay(replay, args.decisions, args.summary)


if __name__ == "__main__":
    run_program(main)
