"""Measure the cost of our conversions and of the same ones by hand, and write `results/bench/convert.json`."""

import argparse

from edgeproof.bench.conversions import measure_conversions
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program

# A small model through everything; a large one where the small one takes less than it takes to start Python.
WANTED = {
    "squeezenet": ("ort-cpu", "litert-cpu", "coreml", "openvino-cpu", "torchscript-cpu"),
    "resnet50": ("ort-cpu", "openvino-cpu"),
}


def main(argv: list[str] | None = None) -> None:
    """Convert with every preset whose toolchain exists; the document says which ratios meet the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="only this model; its sources must be there")
    parser.add_argument("--presets", nargs="+", default=WANTED["squeezenet"], help="of that model")
    parser.add_argument("--repeats", type=int, default=3, help="fresh processes of each side, in turns")
    parser.add_argument("--output", default="results/bench/convert.json")
    options = parser.parse_args(argv)
    wanted = {options.model: options.presets} if options.model else WANTED
    report = measure_conversions(wanted, options.repeats, lambda line: print(line, flush=True))
    write_json(options.output, report, "bench-convert")


if __name__ == "__main__":
    run_program(main)
