"""Try the method on this machine: A/A comparisons, a known slow-down, naive protocols (`make bench-noise`)."""

import argparse
import sys
from pathlib import Path

from edgeproof.bench.noise_trials import Setting, run_trials
from edgeproof.core.cli import run_program

# A window far below a second is enough for a model far below a millisecond.
_PROTOCOLS = {
    "digits-cnn": {"warmup_s": 0.1, "window_s": 0.1, "min_samples": 200},
    "squeezenet": {"warmup_s": 0.15, "window_s": 0.4, "min_samples": 80},
}


def main(argv: list[str] | None) -> None:
    """Run all trials; their rates are in the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=40, help="A/A comparisons per model, and of the slow-down")
    parser.add_argument("--pairs", type=int, default=10, help="pairs per comparison")
    parser.add_argument("--slowdown", type=float, default=0.05, help="share by which the right arm is slowed down")
    parser.add_argument("--folder", default="results/calibration/trials", help="where the raw times go")
    parser.add_argument("--output", default="results/bench/noise.json", help="document to write")
    args = parser.parse_args(argv)
    arm = {"backend": "onnxruntime", "precision": "fp32", "runtime": {"intra_op_threads": 1}}
    arms = {
        model: {
            "arm": arm,
            "artifact": Path(f"results/artifacts/{model}/ort-cpu/host/fp32/artifact.onnx"),
            "inputs": Path(f"results/sources/{model}/samples/evaluation.npz"),
        }
        for model in _PROTOCOLS
    }
    plan = {"comparisons": args.comparisons, "pairs": args.pairs, "slowdown": args.slowdown}
    plan |= {"slowed": "digits-cnn", "protocols": _PROTOCOLS}
    setting = Setting(
        arms, plan, {"name": "local", "board": "this machine", "transport": "local"}, sys.executable, args.folder
    )
    run_trials(setting, args.output, lambda line: print(line, flush=True))


if __name__ == "__main__":
    run_program(main)
