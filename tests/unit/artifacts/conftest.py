"""Small models and their sources, as the sources room would leave them."""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.agent.inference import infer_samples
from edgeproof.agent.inputs_format import WHOLE_INPUTS
from edgeproof.artifacts.agreement import execution
from edgeproof.artifacts.agreement.parity import ParityJob, check_parity
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.fake_artifacts import build_fake
from edgeproof.artifacts.builds.onnx_artifacts import build_onnx
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import write_tensors
from edgeproof.sources.identity import identify_model
from edgeproof.sources.onnx_graphs import list_inputs
from onnx import TensorProto, helper, numpy_helper

BUILD = {"calibration_method": "minmax", "calibration_samples": 200, "per_channel": True}
RUNTIME = {"execution_provider": "CPUExecutionProvider", "intra_op_threads": 1, "graph_optimization": "all"}


def make_model(nodes, inputs, outputs, weights=(), opset=13, domains=()):
    """Return a ModelProto. `inputs`, `outputs`: `(name, element type, shape)`; `weights`: `{name: array}`."""
    infos = [[helper.make_tensor_value_info(*item) for item in side] for side in (inputs, outputs)]
    stored = [numpy_helper.from_array(array, name) for name, array in dict(weights).items()]
    graph = helper.make_graph(nodes, "test", *infos, stored)
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, producer_name="test")


def make_classifier(seed=0, batch=1):
    """Return a small convolutional classifier of 1x8x8 images into 10 classes; its nodes have no names."""
    random = np.random.default_rng(seed)
    weights = {
        "kernel": random.standard_normal((8, 1, 3, 3)).astype("float32"),
        "bias": random.standard_normal(8).astype("float32"),
        "matrix": (random.standard_normal((8 * 36, 10)) / 17).astype("float32"),
        "offset": random.standard_normal(10).astype("float32"),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel", "bias"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("Gemm", ["flat", "matrix", "offset"], ["logits"]),
    ]
    return make_model(
        nodes,
        [("image", TensorProto.FLOAT, [batch, 1, 8, 8])],
        [("logits", TensorProto.FLOAT, [batch, 10])],
        weights,
    )


def make_without_weights():
    """Return a model of which nothing can be quantised: its int8 build fails."""
    node = helper.make_node("Abs", ["x"], ["y"])
    return make_model([node], [("x", TensorProto.FLOAT, [1, 4])], [("y", TensorProto.FLOAT, [1, 4])])


def draw_samples(model, count, seed, whole=()):
    """Return `{inputs/name: array}` of `count` seeded samples for a model; symbolic sizes are 4."""
    random, samples = np.random.default_rng(seed), {}
    for value in list_inputs(model.graph):
        dims = value.type.tensor_type.shape.dim
        shape = [count, *(max(dim.dim_value, 0) or 4 for dim in (dims if value.name in whole else dims[1:]))]
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        drawn = random.standard_normal(shape) if dtype.kind == "f" else random.integers(0, 5, shape)
        samples[f"inputs/{value.name}"] = np.asarray(drawn).astype(dtype)
    return samples | ({WHOLE_INPUTS: np.array(sorted(whole))} if whole else {})


def assert_nothing_built(folder):
    """Check that a build without a verdict left at most failed attempts, and nothing that anybody would use."""
    left = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    assert left in ([], ["attempts"])
    for attempt in list_attempts(folder):
        assert not attempt.complete and not (attempt.folder / "manifest.json").exists()
        assert read_json(attempt.folder / "attempt.json", "attempt") and (attempt.folder / "failure.json").is_file()


class Job:
    """One model in a folder: its sources, and the calls of this room with arguments that fit unless changed."""

    def __init__(self, folder, model, count=20, labels=None, whole=()):
        self.folder = Path(folder)
        self.source, self.identity = self.folder / "model.onnx", self.folder / "identity.json"
        self.calibration, self.evaluation = self.folder / "calibration.npz", self.folder / "evaluation.npz"
        self.samples = self.folder / "samples.json"
        onnx.save(model, self.source)
        identify_model("tiny", self.source, self.identity, whole)
        whole = read_json(self.identity, "identity").get("whole_inputs", ())
        write_tensors(self.calibration, draw_samples(model, 201, 1, whole))
        evaluation = draw_samples(model, count, 2, whole)
        self.write_evaluation({**evaluation, **({} if labels is None else {"labels": labels})})

    def write_evaluation(self, arrays):
        write_tensors(self.evaluation, arrays)
        document = {
            "schema": "edgeproof.samples.v2",
            "model": "tiny",
            "model_sha256": sha256_file(self.source),
            "kind": "file",
            "origin": "drawn for a test",
            "seed": None,
            "labels": "labels" in arrays,
            "disjoint": True,
            "calibration": {"count": 201, "sha256": sha256_file(self.calibration)},
            "evaluation": {"count": len(next(iter(arrays.values()))), "sha256": sha256_file(self.evaluation)},
        }
        write_json(self.samples, document, "samples")

    def build(self, precision="fp32", folder=None, options=None, **changes):
        """Build as `precision` for ONNX Runtime into `folder` (default: its name) and return the manifest."""
        folder = self.folder / (folder or precision)
        arguments = {
            "cell": {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": precision},
            "source": self.source,
            "identity": self.identity,
            "preset": {"backend": "onnxruntime", "artifact": "onnx", "build": {**BUILD, **(options or {})}},
            "precision": precision,
            "calibration": self.calibration,
            "artifact": folder / "artifact.onnx",
            "manifest": folder / "manifest.json",
            "script": "test",
            "argv": [],
        }
        build_onnx(BuildJob(**{**arguments, **changes}))
        return read_manifest(folder / "manifest.json")

    def build_fake(self, precision="fp32", **changes):
        folder = self.folder / "fake"
        arguments = {
            "cell": {"model": "tiny", "preset": "fake", "builder": "host", "precision": precision},
            "source": self.source,
            "identity": self.identity,
            "preset": {"backend": "fake", "artifact": "json", "build": {"latency_ms": 5.0}},
            "precision": precision,
            "artifact": folder / "artifact.json",
            "manifest": folder / "manifest.json",
            "script": "test",
            "argv": [],
        }
        build_fake(BuildJob(**{**arguments, **changes}))
        return read_manifest(folder / "manifest.json")

    def check(self, precision="fp32", folder=None, thresholds=None, **changes):
        """Check the parity of what `build` (or `build_fake`) made in `folder` and return the document."""
        folder = self.folder / (folder or precision)
        manifest = read_manifest(folder / "manifest.json")
        backend = manifest["preset"]["backend"]
        arguments = {
            "cell": manifest["cell"],
            "source": self.source,
            "artifact": folder / manifest["artifact"]["file"],
            "manifest": folder / "manifest.json",
            "inputs": self.evaluation,
            "samples": self.samples,
            "arm": {"backend": backend, "precision": precision, "runtime": RUNTIME if backend == "onnxruntime" else {}},
            "task": "classification",
            "thresholds": thresholds or {},
            "interpreter": sys.executable,
            "parity": folder / "parity.json",
            "reference": folder / "reference.npz",
            "command": ["test"],
        }
        check_parity(ParityJob(**{**arguments, **changes}))
        return read_json(folder / "parity.json", "parity")


@pytest.fixture
def infer_here(monkeypatch):
    """Run the agent's `infer` in this process: a fresh one for each of dozens of models takes half a second."""

    seeds = itertools.count()

    def run(command, **_):
        onnxruntime.set_seed(next(seeds))  # a fresh process draws its own
        spec, out = command[-2:]
        Path(out).mkdir()
        infer_samples(json.loads(Path(spec).read_text()), out)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(execution, "subprocess", SimpleNamespace(run=run))


@pytest.fixture
def make_job(tmp_path):
    """Return a function that makes a Job of a model in a fresh folder."""
    return lambda model, **options: Job(tmp_path, model, **options)


@pytest.fixture
def job(make_job):
    """A Job of the small classifier, without labels."""
    return make_job(make_classifier())
