"""Measure the planner against its targets and write `results/bench/plans.json`."""

import argparse

from edgeproof.bench.planner import measure_planner
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None = None) -> int:
    """Run every case once on this machine; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="results/bench/plans.json")
    options = parser.parse_args(argv)
    report = measure_planner(lambda case: print(describe(case), flush=True))
    write_json(options.output, report, "bench-plans")
    return 0 if all(case["met"] for case in report["cases"]) else 1


def describe(case: Json) -> str:
    """Return one line about a case."""
    verdict = "met" if case["met"] else "MISSED"
    return (
        f"{case['name']}: {case['seconds_median']:.2f} s median, {case['seconds_worst']:.2f} s worst,"
        f" {case['proven']}/{case['instances']} proved; plain model {case['plain_seconds_median']:.2f} s,"
        f" {case['plain_proven']} proved, {case['ratio_median']:.1f} ×; beam missed {case['beam_missed']},"
        f" worse {case['beam_worse']}; target {case['target']}: {verdict}"
    )


if __name__ == "__main__":
    run_program(main)
