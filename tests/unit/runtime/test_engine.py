"""The engine: what it decides is tested with the chooser; here is what it does with loads, failures and requests."""

import os
import signal
import threading

import numpy as np
import onnxruntime
import psutil
import pytest
from edgeproof.bench.trial_family import SUMS, WIDTH, write_family, write_sum
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.load_checks import ParityCheck
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.stability import StabilityGuard
from edgeproof.runtime.swapping import SwapTimes
from edgeproof.runtime.variants import ModelFamily

from .stand_in_models import Happenings, StandInDevice, StandInLoader

X = np.full((1, WIDTH), 3.0, "float32")
EXAMPLE = """
import numpy as np

import edgeproof.runtime.engine as ea
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.variants import ModelFamily

family = ModelFamily.from_yaml("family.yaml")
engine = ea.Engine(family, MaximizeAccuracy(latency_ceiling_ms=100.0))
engine.start()
out = engine.infer(input_data)
engine.stop()
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The family of sums: 3 gives 7 with `full`, 15 with `quantized`, 29 with `tiny`, 55 with `isolated`."""
    return write_family(tmp_path_factory.mktemp("models"))


class Wish:
    """A policy that wishes what the test says."""

    def __init__(self, name="full"):
        self.name = name

    def __call__(self, state, family):
        if isinstance(self.name, Exception):
            raise self.name
        return self.name


class Trial:
    """An engine of stand-ins that polls all the time."""

    def __init__(self, family, **options):
        self.wish, self.loader, self.device, self.happenings = Wish(), StandInLoader(), StandInDevice(), Happenings()
        guard = StabilityGuard(cooldown_sec=0, max_swaps_per_window=10**6)
        settings = {"poll_interval_sec": 0.005, "profiler": self.device, "loader": self.loader, "stability": guard}
        self.engine = Engine(family, self.wish, **{**settings, **self.happenings.options(), **options})


@pytest.fixture
def trial(models):
    found = Trial(models)
    with found.engine:
        yield found
    found.engine.close()


def count(engine, name):
    return engine.read_counters().get(name, 0)


def test_the_example_of_edgeadapt_runs_with_other_imports(models, tmp_path, monkeypatch):
    yaml = "family: sums\nvariants:\n"
    for name in ("full", "tiny"):
        yaml += f"  {name}:\n    path: {models.variants[name].path}\n    tier: high\n"
    (tmp_path / "family.yaml").write_text(yaml)
    monkeypatch.chdir(tmp_path)
    scope = {"input_data": X}
    exec(EXAMPLE, scope)
    assert scope["out"].tolist() == [[7.0] * WIDTH]


def test_arrays_give_arrays_and_names_give_names(models):
    engine = Engine(models, MaximizeAccuracy())
    assert engine.infer(X).tolist() == engine.infer({"x": X})["y"].tolist() == [[7.0] * WIDTH]
    answer = engine.run({"x": X})
    assert (answer.variant, answer.generation, list(answer.outputs)) == ("full", 1, ["y"])
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.infer(X)


def test_a_wish_is_loaded_in_the_background_and_the_old_model_ends_after_its_last_request(trial):
    engine = trial.engine
    with engine.borrow() as borrowed:
        trial.wish.name = "tiny"
        trial.happenings.wait_for("complete", "tiny")
        assert engine.infer(1) == "tiny: 1" and engine.generation == 2
        assert borrowed.model.infer(1) == "full: 1"  # still loaded
        old = trial.loader.models[0]
        assert not old.unloaded.is_set()
    assert old.unloaded.wait(20)
    assert engine.last_swap_reason == "SWAP_COMMITTED:tiny"
    assert trial.happenings.seen == [("start", "tiny"), ("complete", "tiny")]
    assert count(engine, "swaps_attempted") == count(engine, "swaps_succeeded") == 1


def test_a_load_that_fails_changes_nothing_and_is_not_tried_at_every_poll(trial):
    trial.loader.broken["tiny"] = OSError("no such file")
    trial.wish.name = "tiny"
    trial.happenings.wait_for("fallback", "tiny")
    trial.device.wait_for_polls(3)
    engine = trial.engine
    assert engine.infer(1) == "full: 1" and engine.generation == 1
    assert engine.last_swap_reason == "SWAP_BACKOFF:tiny"
    assert count(engine, "swaps_attempted") == count(engine, "swaps_failed") == count(engine, "swap_load_failed") == 1
    failed = [event for event in engine.observability.recent_events(128) if event["kind"] == "swap_fail"]
    assert [event["payload"]["message"] for event in failed] == ["no such file"]


def test_three_failures_in_a_row_are_a_quarantine_until_somebody_releases_the_variant(trial):
    trial.loader.broken["tiny"] = OSError("no such file")
    for _ in range(3):
        assert trial.engine.swap_to("tiny") and trial.engine.wait_for_swaps(20)
    trial.wish.name = "tiny"
    trial.device.wait_for_polls(3)
    assert trial.engine.last_swap_reason == "SWAP_QUARANTINED:tiny"
    trial.loader.broken.clear()
    trial.engine.release("tiny")
    trial.happenings.wait_for("complete", "tiny")


def test_one_load_at_a_time_and_a_slow_one_is_not_started_again(trial):
    trial.loader.gates["tiny"] = gate = threading.Event()
    trial.wish.name = "tiny"
    trial.happenings.wait_for("start", "tiny")
    trial.device.wait_for_polls(3)
    assert not trial.engine.swap_to("quantized")
    gate.set()
    trial.happenings.wait_for("complete", "tiny")
    assert [what for what, _ in trial.happenings.seen] == ["start", "complete"]
    assert count(trial.engine, "rule_in_flight") >= 1


def test_a_load_that_takes_too_long_is_given_up_and_its_model_never_serves(models):
    trial = Trial(models, times=SwapTimes(load_s=0.02))
    trial.loader.gates["tiny"] = gate = threading.Event()
    assert trial.engine.swap_to("tiny")
    trial.happenings.wait_for("fallback", "tiny")
    assert trial.engine.last_swap_reason.startswith("SWAP_TIMED_OUT:tiny")
    assert trial.engine.swap_to("quantized")  # nothing is in flight any more
    trial.happenings.wait_for("complete", "quantized")
    gate.set()
    assert trial.engine.wait_for_swaps(20)
    late = trial.loader.models[-1]
    assert late.name == "tiny" and late.unloaded.is_set() and trial.engine.active_variant == "quantized"
    trial.engine.close()


def test_a_load_can_be_cancelled_and_says_nothing_about_the_variant(trial):
    trial.loader.gates["tiny"] = gate = threading.Event()
    assert trial.engine.swap_to("tiny")
    assert trial.engine.cancel_swap() and not trial.engine.cancel_swap()
    assert trial.engine.last_swap_reason.startswith("SWAP_CANCELLED:tiny")
    gate.set()
    assert trial.engine.wait_for_swaps(20) and trial.loader.models[-1].unloaded.is_set()
    trial.wish.name = "tiny"
    trial.happenings.wait_for("complete", "tiny")


def test_the_loop_survives_what_sensors_policies_and_callbacks_raise(models):
    trial = Trial(models, on_swap_complete=lambda name: 1 / 0)
    with trial.engine as engine:
        trial.wish.name = ValueError("no idea")
        trial.device.wait_for_polls(3)
        trial.device.broken = OSError("the sensor is gone")
        trial.device.wait_for_polls(3)
        assert count(engine, "loop_errors") >= 2
        trial.device.broken, trial.wish.name = None, "no such variant"
        trial.device.wait_for_polls(3)
        assert engine.infer(1) == "full: 1" and count(engine, "rule_outside") >= 1
        trial.wish.name = "tiny"
        trial.happenings.wait_for("start", "tiny")
        trial.device.wait_for_polls(3)
    assert trial.engine.active_variant == "tiny" and count(trial.engine, "callback_errors") == 1
    trial.engine.close()


def test_stop_can_be_undone(trial):
    trial.engine.stop()
    trial.device.polled.clear()
    trial.wish.name = "tiny"
    assert not trial.device.polled.wait(0.05) and trial.engine.infer(1) == "full: 1"
    trial.engine.start()
    trial.engine.start()
    trial.happenings.wait_for("complete", "tiny")
    assert sum(thread.name == "edgeproof-poll" for thread in threading.enumerate()) == 1


def test_a_variant_that_does_not_fit_beside_the_active_one_is_named(models):
    trial = Trial(models, initial_variant="tiny", limits=Limits(ram_reserve_mb=1.0))
    trial.device.memory_mb = 245.0  # `full` needs 250, and would have them with `tiny` gone
    with trial.engine:
        trial.device.wait_for_polls(3)
    assert trial.engine.last_swap_reason == "SWAP_SKIPPED_RESIDENCY:full" and trial.engine.active_variant == "tiny"
    trial.engine.close()


def test_a_variant_of_a_backend_that_the_gate_refuses_is_named_and_not_loaded(models, tmp_path):
    family = ModelFamily("f", models.variants.values())
    family.add_variant("lite", str(tmp_path / "a.tflite"), "low", "tflite")
    trial = Trial(family)
    trial.wish.name = "lite"
    with trial.engine:
        trial.device.wait_for_polls(3)
    assert trial.engine.last_swap_reason == "SWAP_SKIPPED_CAPABILITY:lite" and trial.happenings.seen == []
    trial.engine.close()
    with pytest.raises(ValueError, match="'lite' may not be activated"):
        Engine(family, MaximizeAccuracy(), initial_variant="lite")


def test_a_model_that_cannot_run_two_at_a_time_is_asked_one_by_one(models):
    from .stand_in_models import StandInModel

    busy, entered = threading.Lock(), []

    class Fragile(StandInModel):
        def infer(self, x):
            assert busy.acquire(blocking=False)
            entered.append(x)
            busy.release()

    engine = Engine(models, MaximizeAccuracy(), loader=lambda name: Fragile(name, concurrent=False))
    threads = [threading.Thread(target=lambda: [engine.infer(n) for n in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == 800
    engine.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poll_intervall_sec": 1}, "no option poll_intervall_sec"),
        ({"initial_variant": "huge"}, "'huge' is not in family"),
        ({"isolation": "vm"}, "isolation is 'vm'"),
        ({"stability": StabilityGuard(MaximizeAccuracy())}, "another policy"),
    ],
)
def test_a_wrong_option_is_refused(models, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Engine(models, MaximizeAccuracy(), **options)
    with pytest.raises(ValueError, match="has no variants"):
        Engine(ModelFamily("empty"), MaximizeAccuracy())


def test_variants_of_other_tensors_are_refused_and_not_tried_again(models, tmp_path):
    family = ModelFamily("f", models.variants.values())
    write_sum(tmp_path / "wider.onnx", 1.0, 0.0, width=WIDTH + 1)
    family.add_variant("wider", str(tmp_path / "wider.onnx"), "low")
    engine = Engine(family, lambda state, known: "wider")
    assert engine.swap_to("wider") and engine.wait_for_swaps(20)
    assert engine.last_swap_reason.startswith("SWAP_SKIPPED_IO:wider:inputs are")
    assert engine.infer(X).tolist() == [[7.0] * WIDTH]
    engine.close()


def test_a_variant_whose_outputs_are_not_what_they_should_be_never_serves(models, tmp_path):
    family = ModelFamily("f", models.variants.values())
    write_sum(tmp_path / "wrong.onnx", *SUMS["tiny"])
    family.add_variant("wrong", str(tmp_path / "wrong.onnx"), "low")
    expected = {name: [X * factor + offset] for name, (factor, offset) in SUMS.items()} | {"wrong": [X]}
    engine = Engine(family, MaximizeAccuracy(), parity=ParityCheck({"x": X}, expected, 1e-6))
    assert engine.swap_to("wrong") and engine.wait_for_swaps(20)
    assert "relative L2" in engine.last_swap_reason and engine.active_variant == "full"
    assert engine.swap_to("tiny") and engine.wait_for_swaps(20) and engine.active_variant == "tiny"
    engine.close()


def test_without_expectations_the_active_variant_is_the_reference(models):
    engine = Engine(models, MaximizeAccuracy(), parity=ParityCheck({"x": X}, {}, 0.5))
    assert engine.swap_to("tiny") and engine.wait_for_swaps(20)
    assert "relative L2 3.14, limit 0.5" in engine.last_swap_reason
    engine.close()


def test_a_file_that_is_not_the_one_the_family_names_is_not_loaded(models):
    family = ModelFamily("f", [variant._replace(sha256="0" * 64) for variant in models.variants.values()])
    with pytest.raises(ValueError, match="its sha256 differs"):
        Engine(family, MaximizeAccuracy())


def test_a_variant_in_a_process_of_its_own_answers_as_any_other_and_its_crash_costs_no_request(models):
    happenings = Happenings()
    engine = Engine(models, MaximizeAccuracy(), isolation="process", **happenings.options())
    assert engine.infer(X).tolist() == [[7.0] * WIDTH]
    assert engine.swap_to("tiny") and engine.wait_for_swaps(30) and engine.active_variant == "tiny"
    with engine.borrow() as active:
        assert active.model.read_resident_mb() > 5
        os.kill(active.model.pid, signal.SIGSEGV)
    assert engine.run({"x": X}).variant == "full"  # the one before
    assert engine.last_swap_reason == "SWAP_RECOVERED:full:tiny was lost"
    assert (count(engine, "models_lost"), count(engine, "recoveries"), engine.generation) == (1, 1, 3)
    with pytest.raises(RuntimeError, match="INVALID_ARGUMENT"):
        engine.run({"x": np.zeros((1, WIDTH + 1), "float32")})  # a bad request is not a crash
    assert engine.infer(X).tolist() == [[7.0] * WIDTH]
    engine.close()


def test_a_load_that_takes_too_long_in_its_process_ends_with_it(models):
    before = set(psutil.Process().children())  # of other tests
    engine = Engine(models, MaximizeAccuracy(), isolation="process", times=SwapTimes(load_s=0.01))
    assert engine.swap_to("tiny") and engine.wait_for_swaps(30)
    assert engine.last_swap_reason.startswith("SWAP_TIMED_OUT:tiny") and engine.active_variant == "full"
    with engine.borrow() as active:
        assert [child.pid for child in {*psutil.Process().children()} - before] == [active.model.pid]
    engine.close()
    assert {*psutil.Process().children()} - before == set()


def test_a_variant_that_cannot_be_loaded_in_its_process_says_why(models, tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    family = ModelFamily("f", models.variants.values())
    family.add_variant("text", str(tmp_path / "text.onnx"), "low")
    with pytest.raises(RuntimeError, match="Verdict"):
        Engine(family, MaximizeAccuracy(), isolation="process", initial_variant="text")


def test_a_benchmark_times_every_variant_and_sets_what_is_expected_of_it(models):
    family = ModelFamily("f", list(models.variants.values())[:2])
    engine = Engine(family, MaximizeAccuracy())
    report = engine.benchmark(runs=5)
    assert list(report.variants) == ["full", "quantized"]
    row = report.variants["full"]
    assert row["timed_runs"] == 5 and row["input_shape"] == [1, WIDTH] and row["memory_mb"] == 250.0
    assert row["latency_ms_p50"] <= row["latency_ms_p95"] <= row["latency_ms_p99"]
    assert report.metadata["onnxruntime_version"] == onnxruntime.__version__
    assert (report.metadata["edgeadapt_version"], report.metadata["git_commit"]) == (None, None)
    assert family.variants["full"].metadata.expected_latency_ms == row["latency_ms_mean"]
    with pytest.raises(ValueError, match="runs is 0"):
        engine.benchmark(runs=0)
    engine.close()


def test_observability_keeps_the_last_events_and_all_counts(models):
    engine = Engine(models, MaximizeAccuracy())
    for number in range(200):
        engine.observability.record("profile_tick", {"n": number})
        engine.observability.count("profile_ticks")
    snapshot = engine.observability.snapshot()
    assert snapshot["counters"]["profile_ticks"] == 200 and len(snapshot["events"]) == 16
    assert [event["payload"]["n"] for event in engine.observability.recent_events(500)] == list(range(72, 200))
    assert engine.observability.recent_events(0) == []
    engine.close()
