"""Measure what conversions cost, ours against the same ones by hand, and write `results/bench/convert.json`."""

import argparse
import sys

from edgeproof.artifacts.benchmark import measure_conversions
from edgeproof.core.cli import run
from edgeproof.core.documents import write_json

PRESETS = ("ort-cpu", "litert-cpu", "coreml", "openvino-cpu", "torchscript-cpu")


def main(argv=None):
    """Convert with every preset whose toolchain is there; return 1 when a ratio misses its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="squeezenet", help="its sources must be there")
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes of each side, in turns")
    parser.add_argument("--output", default="results/bench/convert.json")
    options = parser.parse_args(argv)
    report = measure_conversions(options.model, options.presets, options.repeats, lambda line: print(line, flush=True))
    write_json(options.output, report, "bench-convert")
    return 0 if all(case["met"] for case in report["cases"]) else 1


if __name__ == "__main__":
    sys.exit(run(main))
