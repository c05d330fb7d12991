"""Lines of the simulation: what is promised, what was seen, and whether the two agree."""

import math
from dataclasses import dataclass
from typing import Literal

_LIMIT = 2.326  # 99 %, one-sided


@dataclass(frozen=True)
class Line:
    """One figure of one scenario: the share of `trials` in which something happened.

    `bound`: what the method promises, `at most` or `at least` (`sense`). `promised`: False where the method makes no
    promise; the figure then stands beside the bound that does not hold.
    """

    scenario: str
    quantity: str
    sense: Literal["at most", "at least"]
    bound: float
    observed: float
    trials: int
    promised: bool = True

    @classmethod
    def at_most(
        cls, scenario: str, quantity: str, bound: float, count: int, trials: int, promised: bool = True
    ) -> "Line":
        """Return the line of something that happened in `count` trials and may happen in a share `bound` of them."""
        return cls(scenario, quantity, "at most", bound, count / trials, trials, promised)

    @classmethod
    def at_least(
        cls, scenario: str, quantity: str, bound: float, count: int, trials: int, promised: bool = True
    ) -> "Line":
        """Return the line of something that happened in `count` trials and must happen in a share `bound` of them."""
        return cls(scenario, quantity, "at least", bound, count / trials, trials, promised)

    @property
    def limit(self) -> float:
        """How far from the bound the share may lie by chance, at 99 %."""
        return _LIMIT * math.sqrt(self.bound * (1 - self.bound) / self.trials)

    @property
    def met(self) -> bool:
        """Whether the bound holds as far as so many trials can tell."""
        if self.sense == "at most":
            return self.observed <= self.bound + self.limit
        return self.observed >= self.bound - self.limit
