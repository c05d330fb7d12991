"""The stability guard: whether to act on a policy's recommendation now.

Mode `seed` is EdgeAdapt 0.1.0 to the letter, its latch included. Mode `fixed` (default) lets a variant go that no
longer fits, whatever the guard says, holds the difference against the policy's own objective, and ends a lock once the
window holds no commit. Nothing here reads a clock unless it is asked to by `should_swap` without `now`.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Deque, Dict, NamedTuple, Optional, Sequence, Tuple

from .device_state import DeviceState
from .selection import TOLERANCE, BasePolicy
from .variants import ModelFamily

MODES = ("fixed", "seed")
# What decided, in the order asked; `forced` and `swap` are a yes. `outside`: the policy named what it may not have.
RULES = ("same", "in_flight", "outside", "forced", "lock", "cooldown", "hysteresis", "swap")
SWAPPING = ("forced", "swap")
SEED_HISTORY = 32


class Proposal(NamedTuple):
    """What a guard judges, at `now` in seconds of a monotonic clock.

    `loading`: a load is running. `forced`: the current variant does not fit any more. `gain`: how much better the
    recommended one is by the policy's objective, None where no threshold applies.
    """

    current: str
    recommended: str
    now: float
    loading: bool = False
    forced: bool = False
    gain: Optional[float] = None


class StabilityGuard(BasePolicy):
    """Limits how often and for how little variants are swapped.

    `hysteresis`: the least difference worth a swap, in units of the policy's objective (seed: of accuracy).
    `cooldown_sec`: the least time between a commit and the next voluntary one. `max_swaps_per_window`: commits in any
    `swap_window_sec` at which voluntary ones stop; forced ones count and are never refused.
    `counters`: how often each rule has decided.
    """

    def __init__(
        self,
        inner: Optional[BasePolicy] = None,
        *,
        hysteresis: float = 0.05,
        cooldown_sec: float = 30.0,
        max_swaps_per_window: int = 4,
        swap_window_sec: float = 60.0,
        mode: str = "fixed",
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; it is one of {', '.join(MODES)}")
        if min(hysteresis, cooldown_sec, swap_window_sec) < 0 or max_swaps_per_window < 1:
            raise ValueError("the guard's times and its threshold are at least 0, its cap at least 1")
        self.inner, self.mode = inner, mode
        self.hysteresis, self.cooldown_sec = hysteresis, cooldown_sec
        self.max_swaps_per_window, self.swap_window_sec = max_swaps_per_window, swap_window_sec
        self.counters: Dict[str, int] = dict.fromkeys(RULES, 0)
        self._commits: Deque[float] = deque(maxlen=SEED_HISTORY if mode == "seed" else None)
        self._last_commit: Optional[float] = None
        self._locked_variant: Optional[str] = None  # seed
        self._locked = False  # fixed

    def select(self, state: DeviceState, family: ModelFamily) -> str:
        """Return what the inner policy recommends."""
        return self._require_inner().select(state, family)

    def select_with_explanation(self, state: DeviceState, family: ModelFamily) -> Tuple[str, Dict[str, Any]]:
        """Return what the inner policy recommends, and why."""
        return self._require_inner().select_with_explanation(state, family)

    def judge(self, proposal: Proposal, family: Optional[ModelFamily] = None) -> str:
        """Return the rule that decides, one of RULES, and count it. `family`: for the accuracies of mode `seed`."""
        seed = self.mode == "seed"
        rule = self._judge_as_seed(proposal, self._commits, family) if seed else self._judge(proposal)
        self.counters[rule] += 1
        return rule

    def should_swap(
        self,
        current: str,
        recommended: str,
        history: Sequence[float] = (),
        family: Optional[ModelFamily] = None,
        now: Optional[float] = None,
    ) -> bool:
        """Tell whether to swap, as EdgeAdapt is asked. `history`: times of commits that the guard was not told of."""
        at = time.monotonic() if now is None else now
        if self.mode == "seed":
            proposal = Proposal(current, recommended, at)
            return self._judge_as_seed(proposal, [*history, *self._commits], family) in SWAPPING
        return self._judge(Proposal(current, recommended, at)) in SWAPPING

    def note_commit(self, now: float) -> None:
        """Count a commit at `now`: only commits count."""
        self._last_commit = now
        self._commits.append(now)
        if self.mode == "fixed":
            self._forget(now)
            self._locked = self._locked or len(self._commits) >= self.max_swaps_per_window

    def is_locked(self, now: float) -> bool:
        """Tell whether voluntary swaps are locked at `now`."""
        if self.mode == "seed":
            return self._locked_variant is not None
        self._forget(now)
        if not self._commits:
            self._locked = False
        return self._locked

    def _judge(self, proposal: Proposal) -> str:
        now, last = proposal.now, self._last_commit
        if proposal.recommended == proposal.current:
            return "same"
        if proposal.loading:
            return "in_flight"
        if proposal.forced:
            return "forced"
        if self.is_locked(now):
            return "lock"
        if last is not None and now - last < self.cooldown_sec - TOLERANCE:
            return "cooldown"
        if proposal.gain is not None and proposal.gain < self.hysteresis - TOLERANCE:
            return "hysteresis"
        return "swap"

    def _judge_as_seed(self, proposal: Proposal, commits: Sequence[float], family: Optional[ModelFamily]) -> str:
        """As EdgeAdapt decides: raw floats, accuracy only, and a lock that nothing ends but a wish for its variant."""
        current, recommended, now = proposal.current, proposal.recommended, proposal.now
        if current == recommended:
            return "same"
        if self._locked_variant is not None:
            if recommended != self._locked_variant:
                return "lock"
            self._locked_variant = None
        if sum(1 for commit in commits if commit >= now - self.swap_window_sec) >= self.max_swaps_per_window:
            self._locked_variant = current
            return "lock"
        last = max(commits, default=self._last_commit)
        if last is not None and now - last < self.cooldown_sec:
            return "cooldown"
        if family is None or current not in family.variants or recommended not in family.variants:
            return "swap"
        before, after = (family.variants[name].metadata.accuracy_score for name in (current, recommended))
        return "swap" if abs(after - before) >= self.hysteresis else "hysteresis"

    def _forget(self, now: float) -> None:
        """Drop commits that have left the window; a commit exactly at its beginning is in it."""
        while self._commits and self._commits[0] < now - self.swap_window_sec - TOLERANCE:
            self._commits.popleft()

    def _require_inner(self) -> BasePolicy:
        if self.inner is None:
            raise ValueError("this guard wraps no policy; give it one: StabilityGuard(policy)")
        return self.inner
