"""Measure what samplers cost the work beside them, and write `results/bench/sampling.json` (`make bench-sampling`)."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.sampling_cost import CostPlan, describe_bench, measure_case, write_monitor
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Measure each number of threads with recorders of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recorders", type=int, default=12, help="per number of threads (default: %(default)s)")
    parser.add_argument("--block-pairs", type=int, default=20, help="with each recorder (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of the work (default: 1 2)")
    parser.add_argument("--output", default="results/bench/sampling.json", help="document to write")
    args = parser.parse_args(argv)
    plan, cases = CostPlan(args.recorders, args.block_pairs), []
    with tempfile.TemporaryDirectory(prefix="edgeproof-sampling-") as name:
        write_monitor(Path(name))
        samplers = [{"name": "hwmon", "root": name, "interval_ms": 20}, {"name": "procfs", "interval_ms": 100}]
        for threads in args.threads:
            cases.append(measure_case(threads, samplers, plan, Path(name)))
            print("{threads} threads: {cost_pct:+.2f} % ({low_pct:+.2f} to {high_pct:+.2f})".format(**cases[-1]))
    write_json(args.output, describe_bench(cases, samplers, plan), "bench-sampling")


if __name__ == "__main__":
    run_program(main)
