"""What the verifier finds: a list of refuted statements, and how close two numbers must be to count as equal."""

from dataclasses import dataclass, field
from typing import Any

PRECISION = 2e-8  # relative, absolute below 1: costs are rounded to 1e-9 per item before they are added


@dataclass
class Verdict:
    """What was checked. `failures` are sentences, `unproved` statements that were neither refuted nor proved.

    `optimality` says how what the plan claims to be optimal or infeasible was confirmed.
    """

    checks: int = 0
    failures: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
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

    @property
    def outcome(self) -> str:
        """`holds`, `is refuted` or `is not proved`."""
        if self.failures:
            return "is refuted"
        return "is not proved" if self.unproved else "holds"

    def doubt(self, sentence: str) -> None:
        """Note a statement of the plan that was neither refuted nor proved."""
        if sentence not in self.unproved:
            self.unproved.append(sentence)

    def same(self, said: Any, found: Any, what: str) -> None:
        """Check that something other than a measured number is as recomputed."""
        self.expect(said == found, f"{what} is {said!r}, recomputed {found!r}")

    def compare_energy(self, said: float | None, found: Any, missing: str | None, what: str) -> None:
        """Check an energy, which is null where the scenario lacks one."""
        if missing is None:
            self.compare(said, found, what)
        else:
            self.same(said, None, what)

    def compare(self, said: float | None, found: Any, what: str) -> None:
        """Check that a number of the plan is close to the recomputed one."""
        self.expect(
            said is not None and counts_as_equal(said, found), f"{what} is {said}, recomputed {float(found):.9g}"
        )


def counts_as_equal(a: Any, b: Any) -> bool:
    """Return whether two numbers are so close (`PRECISION`) that a verdict counts them as equal."""
    return abs(float(a) - float(b)) <= PRECISION * max(1.0, abs(float(b)))
