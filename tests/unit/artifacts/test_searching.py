"""A search tries cheap ways first, stops at the first that holds, and says what is left when none does."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from edgeproof.artifacts.cli import main
from edgeproof.artifacts.searching import find_loss, list_candidates
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from onnxruntime import InferenceSession

from .conftest import Job, draw_samples, make_classifier

pytestmark = pytest.mark.usefixtures("infer_here")


@pytest.fixture
def root(tmp_path):
    """A root with the shipped configuration."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    return tmp_path


@pytest.fixture
def runner(root):
    """What makes targets: builds and checks with a job of a tiny classifier, with limits that a test sets."""
    model = make_classifier()
    samples = draw_samples(model, 400, 2)
    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    labels = [int(session.run(None, {"image": row[None]})[0].argmax()) for row in samples["inputs/image"]]
    (root / "job").mkdir()
    job = Job(root / "job", model, count=400, labels=np.array(labels, "int64"))
    state = SimpleNamespace(made=[], thresholds={})

    def run(targets, where):
        (target,) = targets
        state.made.append(target)
        *_, preset, _, precision, _ = target.split("/")
        folder = where / target.rsplit("/", 1)[0]
        job.build(precision, folder=folder, options={})
        job.check(precision, folder=folder, thresholds=state.thresholds.get((preset, precision), {"min_cosine": 0.5}))

    state.run = run
    return state


def search(root, runner, *options):
    words = ["search", "digits-cnn", "ort-cpu", *options]
    return main(words, read_result=None, root=root, run_targets=runner.run)


def test_candidates_are_presets_that_run_alike_cheapest_first(root):
    found = [tuple(item) for item in list_candidates("digits-cnn", "ort-cpu", root)]
    assert found == [
        ("ort-cpu", "int8"),
        ("ort-cpu-entropy", "int8"),
        ("ort-cpu-percentile", "int8"),
        ("ort-cpu-layers", "int8"),  # more of it stays in float
        ("ort-cpu", "int8-dynamic"),
        ("ort-cpu", "fp16"),
    ]


def test_the_first_that_holds_ends_the_search(root, runner, capsys):
    assert search(root, runner, "--accuracy-loss", "5pp", "--json") == ExitCode.GOOD
    document = json.loads(capsys.readouterr().out)
    assert document["found"] == "digits-cnn/ort-cpu/host/int8" and document["next"] is None
    assert runner.made == ["results/artifacts/digits-cnn/ort-cpu/host/int8/parity.json"]
    (tried,) = document["tried"]
    assert tried["holds"] and tried["low"] <= tried["difference"] and tried["bytes"] > 0
    assert (root / "results/artifacts/digits-cnn/ort-cpu/host/int8/manifest.json").is_file()


def test_what_fails_its_parity_or_may_lose_more_is_passed_over(root, runner, capsys):
    for preset in ("ort-cpu", "ort-cpu-entropy", "ort-cpu-percentile", "ort-cpu-layers"):
        runner.thresholds[preset, "int8"] = {"max_relative_l2": 1e-9}
    assert search(root, runner, "--accuracy-loss", "5pp") == ExitCode.GOOD
    out = capsys.readouterr().out
    assert "ort-cpu-entropy int8" in out and "limit 1e-09" in out
    assert out.rstrip().endswith("digits-cnn/ort-cpu/host/int8-dynamic")


def test_where_none_holds_training_is_named(root, runner, capsys):
    assert search(root, runner, "--accuracy-loss", "0.0001") == ExitCode.NOT_GOOD
    out = capsys.readouterr().out
    assert len(runner.made) == 6 and "0.01% are allowed" in out and "`supplied: {int8: {file: …}}`" in out


@pytest.mark.parametrize(
    ("model", "preset", "message"),
    [
        ("squeezenet", "ort-cpu", "declares `task: none`, so there is no accuracy to lose"),
        ("digits-cnn", "tensorrt-jetson", "builds on the device"),
        ("digit-cnn", "ort-cpu", "digits-cnn"),
    ],
)
def test_a_search_without_a_measure_or_a_builder_is_refused(root, model, preset, message):
    with pytest.raises(UserError, match=message):
        list_candidates(model, preset, root)


@pytest.mark.parametrize(
    ("parity", "loss"),
    [
        ({"accuracy": {"difference": -0.1, "low": -0.2}}, (-0.1, -0.2)),
        ({"accuracy": None, "detection": {"f1_difference": 0.1, "f1_low": 0.0}}, (0.1, 0.0)),
        ({"accuracy": None, "score": {"difference": 0.1, "low": None}}, (0.1, None)),
        ({"accuracy": None, "metrics": {"relative_accuracy": 0.75}}, (-0.25, -0.25)),
        ({"accuracy": None, "metrics": {"relative_accuracy": None}}, (None, None)),
    ],
)
def test_the_loss_is_that_of_the_task(parity, loss):
    assert find_loss(parity) == loss


def test_a_loss_is_points_or_a_share(root):
    with pytest.raises(UserError, match="'much' is no loss of accuracy; write 1pp"):
        main(["search", "digits-cnn", "ort-cpu", "--accuracy-loss", "much"], read_result=None, root=root)
