"""EdgeEnv's files: its benchmark configuration and target profile, and its own document of a run.

The document's marker is `edgeenv.result.v1`.

Source: InferEdgeEnv v0.1.5 (contract, sections 2 to 4).
"""

import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.yaml_files import read_yaml

from .edgeenv_output import METRICS_LINE, Printed

PRESET = "edgeenv"  # the place of reported runs among runs: results/runs/{name}/edgeenv/{target}/{precision}
PROTOCOL_FIELDS = (
    "input_shape",
    "input_dtype",
    "task",
    "precision",
    "batch_size",
    "warmup_runs",
    "repeat_runs",
    "include_preprocess",
    "include_postprocess",
)
_MODEL = ("model_name", "model_version", "model_format", "model_path")
_TARGET = ("target_name", "target_type", "board_name", "os")
# The variables of a command, and the keys whose values they have.
_VARIABLES = {
    "BENCHMARK_NAME": "name",
    "MODEL_NAME": "model_name",
    "MODEL_PATH": "model_path",
    "RUNTIME": "runtime",
    "EXECUTION_PROVIDER": "execution_provider",
    "PRECISION": "precision",
    "BATCH_SIZE": "batch_size",
    "WARMUP_RUNS": "warmup_runs",
    "REPEAT_RUNS": "repeat_runs",
    "INCLUDE_PREPROCESS": "include_preprocess",
    "INCLUDE_POSTPROCESS": "include_postprocess",
}


class Benchmark(NamedTuple):
    """One command on one target. `words`: the command, split as a shell splits it; no shell runs it."""

    config: Json
    target: Json
    words: list[str]
    cell: Cell


def read_benchmark(config_path: Path, target_path: Path) -> Benchmark:
    """Return what EdgeEnv's two files say of a benchmark; UserError names file, key and value of a mistake."""
    config, target = read_yaml(config_path, "edgeenv-benchmark"), read_yaml(target_path, "edgeenv-target")
    try:
        words = shlex.split(config["command"])
    except ValueError as error:
        raise UserError(f"{config_path}: command is {config['command']!r}: {error}") from error
    if not words or not words[0]:
        raise UserError(f"{config_path}: command is {config['command']!r}, which names no program")
    for name in config.get("extra_env", {}):
        if name.startswith("EDGEENV_"):
            raise UserError(f"{config_path}: extra_env.{name}: names that begin with EDGEENV_ are set by the contract")
    parts = {"name": config["name"], "target_name": target["target_name"], "precision": config["precision"]}
    names = {key: _shorten(value, key, config_path) for key, value in parts.items()}
    cell = Cell(names["name"], PRESET, names["target_name"], names["precision"])
    return Benchmark(config, target, words, cell)


def compose_variables(benchmark: Benchmark) -> dict[str, str]:
    """Return the variables that EdgeEnv's files give a benchmark's command; `extra_env` cannot override EDGEENV_*."""
    config = benchmark.config
    contract = {f"EDGEENV_{name}": _as_text(config[key]) for name, key in _VARIABLES.items()}
    return {**config.get("extra_env", {}), **contract, "EDGEENV_TARGET_NAME": benchmark.target["target_name"]}


def identify_model_file(config: Json) -> tuple[str, bool]:
    """Return (the model's hash in EdgeEnv's files, whether it is of its bytes): without the model it is of the path."""
    path = Path(config.get("working_directory", ".")) / config["model_path"]
    for place in (Path(config["model_path"]), path):
        if place.is_file():
            return sha256_file(place), True
    return hash_missing_model(config["model_path"]), False


def hash_missing_model(path: str) -> str:
    """Return the hash by which EdgeEnv's files identify a model whose own file does not exist."""
    return sha256_bytes(f"missing-model-path:{path}".encode())


def simulate_fake_target(benchmark: Benchmark) -> bytes:
    """Return what EdgeEnv's fake target prints for a benchmark: figures that follow from EdgeEnv's files alone.

    The contract gives their formulas and the seed's four parts, not how the parts are joined: the place of the mean
    between 12 and 13 ms may therefore differ from EdgeEnv's.
    """
    config = benchmark.config
    parts = (config["name"], config["model_name"], config["runtime"], benchmark.target["target_name"])
    seed = int(hashlib.sha256(":".join(parts).encode()).hexdigest()[:8], 16)
    mean = 12.0 + (seed % 1000) / 1000
    figures = {
        "latency_mean_ms": mean,
        "latency_p50_ms": mean - 0.35,
        "latency_p95_ms": mean + 1.75,
        "latency_p99_ms": mean + 2.5,
        "throughput_fps": 1000 / mean * config["batch_size"],
    }
    return f"{METRICS_LINE}{json.dumps(figures)}\n".encode()


def describe_run(config: Json, target: Json, printed: Printed, known: Json) -> Json:
    """Compose EdgeEnv's file of a run, `result.json`, and return it. `known`: {run_id, created_at, model_hash, env}."""
    return {
        "schema_version": "edgeenv.result.v1",
        "run_id": known["run_id"],
        "created_at": known["created_at"],
        "benchmark_name": config["name"],
        "command": config["command"],
        "model": {**{key: config[key] for key in _MODEL}, "model_hash": known["model_hash"]},
        "runtime": {key: config[key] for key in ("runtime", "execution_provider")},
        "target": {**{key: target[key] for key in _TARGET}, "runtime_tags": target.get("runtime_tags", [])},
        "protocol": {key: config[key] for key in PROTOCOL_FIELDS},
        "metrics": printed.metrics,
        **printed.optional,
        "env": known["env"],
    }


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shorten(text: str, key: str, path: Path) -> str:
    """Return a name for a folder: lower-case letters, digits and hyphens."""
    name = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    if not name:
        raise UserError(f"{path}: {key} is {text!r}, which has no letter or digit to name a folder by")
    return name
