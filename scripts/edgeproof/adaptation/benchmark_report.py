"""The verb `benchmark`: the runtime package's quick benchmark on a family file, as a report or as a table."""

import subprocess
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.runtime.loaded_models import LoadedModel
from edgeproof.runtime.variant_benchmark import benchmark_variants
from edgeproof.runtime.variants import ModelFamily

from .onnx_descriptions import shorten_error


def benchmark_family(family: ModelFamily, sample: str | None, runs: int) -> Json:
    """Return the benchmark report of a family, {variants, metadata}. `sample`: .npy of the first input, None: random.

    UserError for a variant that cannot be loaded or fed here.
    """
    given, last = (None if sample is None else _read_sample(sample)), [next(iter(family.variants.values())).path]

    def load(name: str) -> LoadedModel:
        variant = family.variants[name]
        last[0] = variant.path
        if not is_file(variant.path):
            raise UserError(f"{variant.path}: is missing")
        model = LoadedModel(variant.backend)
        model.load(variant.path)
        return model

    try:
        report = benchmark_variants(family, load, given, runs, lambda variant: True, _read_commit())
    except UserError:
        raise
    except Exception as error:  # of the runtime: each has its own
        raise UserError(f"{last[0]}: cannot be run on {sample or 'random values'}: {shorten_error(error)}") from error
    return report._asdict()


def render_table(report: Json) -> list[str]:
    """Return a benchmark report as lines of a table, four decimals each."""
    names = ("latency_ms_mean", "latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "memory_mb")
    lines = ["\t".join(("variant", "mean_ms", "p50_ms", "p95_ms", "p99_ms", "memory_mb"))]
    lines += ["\t".join((key, *(f"{row[name]:.4f}" for name in names))) for key, row in report["variants"].items()]
    return lines


def _read_sample(path: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: is no .npy file ({error})") from error


def _read_commit() -> str | None:
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
