"""The adaptation engine: serves the active variant, watches the device, and swaps to the variant that the policy wants.

Decisions are `variant_choice.Chooser`'s, the same code that replays a trace. The engine adds what a replay has not: the
device, loads in the background, failures, and requests.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any, Callable, Dict, Generator, Optional, TypedDict, Union, cast

from ..agent.specs import Feed
from . import swap_codes
from .active_model import ActiveModel, Answer, Model, ModelLost
from .device_state import DeviceState, StateReader
from .feasibility import Limits
from .isolated_model import IsolatedModel
from .load_blocks import LoadBlocks
from .load_checks import LoadChecks, ParityCheck
from .loaded_models import LoadedModel, serialise
from .observability import Observability
from .selection import BasePolicy
from .service_arguments import ISOLATIONS
from .stability import StabilityGuard
from .swapping import Announce, Swapper, SwapTimes
from .variant_benchmark import BenchmarkReport, benchmark_variants
from .variant_choice import Choice, Chooser, Situation
from .variants import ModelFamily, Variant

_CUT_IN_EVENTS = 400


class EngineOptions(TypedDict, total=False):
    """Options of an engine. The first ten are EdgeAdapt's.

    `profiler`: has `read()`, which gives a DeviceState. `stability`: a guard, which may wrap the policy. `loader`: from
    a variant's name to a loaded model, in place of the agent's runtimes. `can_activate_variant`: the gate; ONNX only
    where nobody says. `limits`: of feasibility. `isolation`: `process` runs every variant in a process of its own.
    `runtime`: options of the runtime, as in a preset. `parity`: samples that a variant must agree on before it serves.
    """

    poll_interval_sec: float
    on_swap_start: Callable[[str], object]
    on_swap_complete: Callable[[str], object]
    on_fallback: Callable[[str, str], object]
    profiler: Any
    stability: Optional[StabilityGuard]
    initial_variant: Optional[str]
    loader: Optional[Callable[[str], Model]]
    observability: Optional[Observability]
    can_activate_variant: Optional[Callable[[Variant], bool]]
    limits: Limits
    isolation: str
    runtime: Dict[str, Any]
    parity: Optional[ParityCheck]
    times: SwapTimes


class Engine:
    """One family, served and adapted. `options`: see EngineOptions.

    The first variant is loaded here; what its load raises is the caller's. `start` begins to adapt and `stop` ends it,
    as often as you like; `infer` works all the time until `close`. As a context manager it starts and stops.
    """

    def __init__(
        self,
        family: ModelFamily,
        policy: Union[BasePolicy, Callable[[DeviceState, ModelFamily], str], None] = None,
        **options: Any,
    ) -> None:
        unknown = set(options) - set(EngineOptions.__annotations__)
        if unknown:
            raise TypeError("Engine has no option {}".format(", ".join(sorted(unknown))))
        self._options = cast(EngineOptions, options)
        if not family.variants:
            raise ValueError("family {!r} has no variants".format(family.name))
        if self._options.get("isolation", "none") not in ISOLATIONS:
            raise ValueError("isolation is {!r}; it is one of {}".format(options["isolation"], ", ".join(ISOLATIONS)))
        first = self._options.get("initial_variant") or next(iter(family.variants))
        if first not in family.variants:
            raise ValueError("initial variant {!r} is not in family {!r}".format(first, family.name))
        self._gate = self._options.get("can_activate_variant") or _is_onnx
        if not self._gate(family.variants[first]):
            raise ValueError("initial variant {!r} may not be activated: its backend is not accepted".format(first))
        self._family = family
        self._chooser = Chooser(family, policy, self._options.get("stability"), self._options.get("limits"))
        self._interval_s = self._options.get("poll_interval_sec", 5.0)
        self._observability = self._options.get("observability") or Observability()
        self._profiler = self._options.get("profiler") or StateReader()
        self._blocks = LoadBlocks(family, self._gate)
        self._deciding, self._recovering, self._running = threading.Lock(), threading.Lock(), threading.Lock()
        self._reason: Optional[str] = None
        self._before: Optional[str] = None
        self._stop = threading.Event()
        self._thread: Optional[threading.Thread] = None
        checks = LoadChecks(self._options.get("parity"))
        self._swapper = Swapper(self._load, checks.check, self, self._options.get("times", SwapTimes()))
        self._state: DeviceState = self._profiler.read()
        self._swapper.load_now(first)

    def start(self) -> None:
        """Begin to watch the device and to swap; nothing happens where that has begun already."""
        with self._running:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._watch, args=(self._stop,), name="edgeproof-poll", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End what `start` began, a running load included. The active variant goes on serving."""
        with self._running:
            thread, self._thread = self._thread, None
            self._stop.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        self._swapper.cancel()

    def close(self) -> None:
        """Stop, and unload the active variant after its last request; `infer` raises from then on."""
        self.stop()
        self._swapper.close()

    def __enter__(self) -> "Engine":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def infer(self, x: Any) -> Any:
        """Return what the active variant makes of `x`: an array, or inputs by name. One lost model is stood in for."""
        active = self._enter()
        try:
            return active.model.infer(x)
        except ModelLost as error:
            lost = error
        finally:
            active.leave()
        self._recover(active, str(lost))
        with self.borrow() as active:
            return active.model.infer(x)

    def run(self, feed: Feed) -> Answer:
        """Return the outputs by name for inputs by name, with the variant and generation that made them."""
        active = self._enter()
        try:
            return _answer(active, feed)
        except ModelLost as error:
            lost = error
        finally:
            active.leave()
        self._recover(active, str(lost))
        with self.borrow() as active:
            return _answer(active, feed)

    @contextlib.contextmanager
    def borrow(self) -> Generator[ActiveModel, None, None]:
        """Return a context in which the active model stays loaded, whatever is swapped meanwhile."""
        active = self._enter()
        try:
            yield active
        finally:
            active.leave()

    def benchmark(self, sample: Any = None, runs: int = 100) -> BenchmarkReport:
        """Time every variant that the gate accepts, and set what is expected of it; see `benchmark_variants`."""

        def load(name: str) -> Model:
            return self._load(name, lambda _: None)

        report = benchmark_variants(self._family, load, sample, runs, self._gate)
        for name, row in report.variants.items():
            self._family.set_latency(name, row["latency_ms_mean"])
        return report

    def swap_to(self, name: str) -> bool:
        """Load a variant in the background whatever policy and guard say; return False while another load runs.

        KeyError for a name that the family has not.
        """
        self._family.variants[name]
        return self._swapper.begin(name)

    def cancel_swap(self) -> bool:
        """Give the running load up; return whether there was one."""
        return self._swapper.cancel()

    def release(self, name: str) -> None:
        """Let a variant that backs off or is quarantined be tried again at once."""
        self._blocks.release(name)

    def wait_for_swaps(self, seconds: float) -> bool:
        """Wait until no load runs and every replaced model is unloaded; return whether that came about in time."""
        return self._swapper.wait(seconds)

    @property
    def active_variant(self) -> str:
        """The variant that answers now."""
        with self.borrow() as active:
            return active.name

    @property
    def generation(self) -> int:
        """Which load of the engine answers now; 1 is the first."""
        with self.borrow() as active:
            return active.generation

    @property
    def last_swap_reason(self) -> Optional[str]:
        """What became of the last wish to swap: `CODE:variant`, with a message where there is one."""
        return self._reason

    @property
    def device_state(self) -> DeviceState:
        """What the profiler said last."""
        return self._state

    @property
    def observability(self) -> Observability:
        """Counters and events."""
        return self._observability

    def read_counters(self) -> Dict[str, int]:
        """Return the counters, those of the guard's rules included."""
        rules = {"rule_" + rule: number for rule, number in self._chooser.guard.counters.items()}
        return {**self._observability.read_counters(), **rules}

    def note_start(self, name: str) -> None:
        """Take note of a load that begins (SwapListener)."""
        self._observability.count("swaps_attempted")
        self._observability.record("swap_start", {"variant": name})
        self._reason = swap_codes.compose_reason(swap_codes.PENDING, name)
        self._call("on_swap_start", name)

    def note_commit(self, name: str, before: str) -> None:
        """Take note of a new active variant (SwapListener)."""
        with self._deciding:
            self._chooser.note_commit(time.monotonic())
            self._blocks.note_success(name)
        self._before = before
        self._observability.count("swaps_succeeded")
        self._observability.record("swap_complete", {"variant": name})
        self._reason = swap_codes.compose_reason(swap_codes.COMMITTED, name)
        self._call("on_swap_complete", name)

    def note_failure(self, name: str, code: str, message: str) -> None:
        """Take note of a load that changed nothing (SwapListener)."""
        with self._deciding:
            self._blocks.note_failure(name, code)
        self._observability.count("swaps_failed")
        self._observability.count(code.lower())
        self._observability.record("swap_fail", {"variant": name, "code": code, "message": message[:_CUT_IN_EVENTS]})
        self._reason = swap_codes.compose_reason(code, name, message)
        self._call("on_fallback", name, message)

    def note_unloaded(self, name: str) -> None:
        """Take note of a replaced model that is gone (SwapListener)."""
        self._observability.count("models_unloaded")

    def _enter(self) -> ActiveModel:
        while True:
            active = self._swapper.active
            if active is None:
                raise RuntimeError("the engine is closed")
            if active.enter():
                return active

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval_s):
            try:
                self._poll(stop)
            except BaseException as error:  # a sensor, a policy or a callback may raise anything: go on watching
                self._observability.count("loop_errors")
                told = "{}: {}".format(type(error).__name__, error)
                self._observability.record("loop_error", {"message": told[:_CUT_IN_EVENTS]})

    def _poll(self, stop: threading.Event) -> None:
        state = self._state = self._profiler.read()
        self._observability.count("profile_ticks")
        tick = {"available_ram_mb": state.available_ram_mb, "cpu_utilization_pct": state.cpu_utilization_pct}
        self._observability.record("profile_tick", tick)
        with self._deciding:
            with self.borrow() as active:
                current, resident = active.name, getattr(active.model, "read_resident_mb", _tell_nothing)()
            loading = self._swapper.in_flight is not None
            situation = Situation(state, current, time.monotonic(), resident, loading, self._blocks.find())
            choice = self._chooser.choose(situation)
            explanation = self._chooser.explain(choice)
        target = choice.target
        if target is not None and not self._gate(self._family.variants[target]):  # mode seed asks the gate last
            self._skip(swap_codes.SKIPPED_CAPABILITY, target)
            target = None
        self._observability.count("policy_evals")
        evaluation = {"current_variant": current, "recommended": choice.recommended, "explanation": explanation}
        self._observability.record("policy_eval", {**evaluation, "will_swap": target is not None})
        if target is None:
            self._note_skipped(choice, current, explanation["scores"])
        elif not stop.is_set():
            self._reason = swap_codes.compose_reason(swap_codes.RECOMMENDED, target)
            self._swapper.begin(target)

    def _note_skipped(self, choice: Choice, current: str, scores: Dict[str, Optional[float]]) -> None:
        """Say which variant the policy would rather have, and what keeps it from being loaded."""
        have = scores.get(choice.recommended)
        for verdict in choice.verdicts:
            code = swap_codes.BLOCKS.get(verdict.constraint)
            score = scores.get(verdict.name)
            better = have is None or score is None or score > have
            if code is not None and not verdict.loadable and verdict.name != current and better:
                self._skip(code, verdict.name)

    def _skip(self, code: str, name: str) -> None:
        reason = swap_codes.compose_reason(code, name)
        self._observability.count(code.lower())
        if reason != self._reason:
            self._observability.record("swap_skipped", {"variant": name, "code": code})
        self._reason = reason

    def _recover(self, lost: ActiveModel, message: str) -> None:
        """Put another model in the place of one whose process is gone: the variant before it, else any that loads."""
        with self._recovering:
            if self._swapper.active is not lost:
                return  # somebody else has done it
            self._observability.count("models_lost")
            with self._deciding:
                self._blocks.note_failure(lost.name, swap_codes.LOAD_FAILED)
                blocks = self._blocks.find()
            footprints = {name: item.metadata.memory_footprint_mb for name, item in self._family.variants.items()}
            others = sorted((name for name in footprints if name != lost.name), key=lambda name: footprints[name])
            wanted = [name for name in dict.fromkeys([self._before or lost.name, *others]) if name not in blocks]
            for name in [*wanted, lost.name]:
                try:
                    self._swapper.load_now(name)
                except Exception as error:
                    message = "{}: {}".format(type(error).__name__, error)
                    continue
                self._observability.count("recoveries")
                self._observability.record("recovery", {"lost": lost.name, "variant": name})
                self._reason = swap_codes.compose_reason(swap_codes.RECOVERED, name, "{} was lost".format(lost.name))
                return
            raise ModelLost("no variant can be loaded: {}".format(message[:_CUT_IN_EVENTS]))

    def _load(self, name: str, announce: Announce) -> Model:
        loader = self._options.get("loader")
        if loader is not None:
            return serialise(loader(name))
        self._blocks.require_digest(name)
        variant, runtime = self._family.variants[name], self._options.get("runtime")
        isolated = self._options.get("isolation") == "process"
        model = IsolatedModel(variant.backend, runtime) if isolated else LoadedModel(variant.backend, runtime)
        announce(model)
        model.load(variant.path)
        return model

    def _call(self, option: str, *arguments: str) -> None:
        callback = self._options.get(option)
        if callback is None:
            return
        try:
            callback(*arguments)  # pyright: ignore[reportCallIssue]
        except Exception as error:  # the application's callback must not undo or stop a swap
            self._observability.count("callback_errors")
            self._observability.record("callback_error", {"callback": option, "message": str(error)[:_CUT_IN_EVENTS]})


def _answer(active: ActiveModel, feed: Feed) -> Answer:
    outputs = active.model.run(feed)
    return Answer({tensor[0]: value for tensor, value in zip(active.outputs, outputs)}, active.name, active.generation)


def _is_onnx(variant: Variant) -> bool:
    return variant.backend == "onnx"


def _tell_nothing() -> None:
    return None
