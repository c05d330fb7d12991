"""The answer to a claim in sentences: what was claimed, what is found here, and what that says."""

from collections.abc import Iterator

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import format_limit, format_number, plain

_WHY_RATIO = (
    "A ratio is easier to replicate than a latency: both arms take turns on one machine, so what slows the machine "
    "slows both, and one sitting is enough."
)
_CANCELLED = "differs as well and cancels in a ratio: both arms took turns on each machine"


def render_answer(answer: Json, further: str | None) -> Iterator[str]:
    """Yield the lines of the text that answers a replicated claim.

    `further`: the command that measures more, None where nothing more helps.
    """
    yield _head(answer)
    claimed, own = answer["claim"], answer["own"]
    yield f"  claimed: {_say_number(claimed)}"
    yield f"  here:    {_say_number(own)}"
    quotient = answer["quotient"]
    interval = "" if quotient["low"] is None else f" ({_span(quotient['low'], quotient['high'])})"
    margin = plain(format_limit(answer["margin"], share=True))
    yield f"  here / claimed: {_figure(quotient['value'])}{interval}; margin ±{margin}; {answer['rule']}"
    if answer["ignored"]:
        yield f"  {', '.join(answer['ignored'])} {_CANCELLED}"
    if answer["untold"]:
        yield f"  its source does not tell: {', '.join(answer['untold'])}"
    if claimed["left"] is None and answer["answer"] == "cannot say":
        yield f"  {_WHY_RATIO}"
    if further:
        yield f"  {further}"


def _head(answer: Json) -> str:
    if answer["answer"] != "cannot say":
        return answer["answer"]
    fields = ", ".join(answer["because"])
    kept = answer["because"][0]
    if kept in ("interval", "sessions", "days", "width", "horizon", "confidence"):
        return f"cannot say because of {fields}: {answer['reason']}"
    return f"cannot say because {fields} {'differs' if len(answer['because']) == 1 else 'differ'}: {answer['reason']}"


def _say_number(claim: Json) -> str:
    unit = "ms" if claim["left"] is None else f"times as long as {claim['left']}"
    if claim["provenance"] == "declared":
        return f"{claim['right']} takes {_figure(claim['value'])} {unit} (declared by {claim['source']}, no interval)"
    interval = "no interval" if claim["low"] is None else f"{_span(claim['low'], claim['high'])}"
    basis = {key: count for key, count in claim["basis"].items() if count is not None}
    counts = ", ".join(f"{count} {key if count != 1 else key[:-1]}" for key, count in basis.items())
    return f"{claim['right']} takes {_figure(claim['value'])} {unit} ({interval}, {counts}, {claim['provenance']})"


def _span(low: float, high: float) -> str:
    return f"{_figure(low)} to {_figure(high)}"


def _figure(value: float) -> str:
    return plain(format_number(value, 4) or "")
