"""What the verifier finds: a list of refuted statements, and how close two numbers must be to count as equal."""

from dataclasses import dataclass, field
from typing import Any

PRECISION = 2e-8  # relative, absolute below 1: costs are rounded to 1e-9 per item before they are added


@dataclass
class Verdict:
    """What was checked. `failures` are sentences; `optimality` says what is known about the ranking."""

    checks: int = 0
    failures: list[str] = field(default_factory=list)
    optimality: str = "not confirmed"

    @property
    def ok(self) -> bool:
        """Whether nothing that the plan says was refuted."""
        return not self.failures

    def expect(self, condition: bool, sentence: str) -> None:
        """Count a check, and note `sentence` when it fails."""
        self.checks += 1
        if not condition:
            self.failures.append(sentence)

    def compare(self, said: float | None, found: Any, what: str) -> None:
        """Check that a number of the plan is close to the recomputed one."""
        self.expect(
            said is not None and counts_as_equal(said, found), f"{what} is {said}, recomputed {float(found):.9g}"
        )


def counts_as_equal(a: Any, b: Any) -> bool:
    """Return whether two numbers are so close (`PRECISION`) that a verdict counts them as equal."""
    return abs(float(a) - float(b)) <= PRECISION * max(1.0, abs(float(b)))
