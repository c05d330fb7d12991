"""What a served family can take, in words: the same on the page and in the terminal."""

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import SPACE, format_number, plain


def list_loads(document: Json) -> list[tuple[str, Json]]:
    """Return the words for every load that was put on a service, with its figures.

    The search for the highest rate is left out.
    """
    rows = [
        ("single stream", document["single_stream"]),
        (f"{document['closed']['clients']} clients", document["closed"]),
    ]
    return rows + [(f"{row['arrivals']} arrivals", row) for row in document["open"]]


def say_capacity(capacity: Json) -> str:
    """Return the words on a service's capacity: a sentence on the highest rate that holds the budget."""
    budget = f"99{SPACE}% of requests within {format_number(capacity['budget_ms'])}{SPACE}ms"
    if capacity["holds"] is None:
        return f"No rate that was tried keeps {budget}."
    more = "" if capacity["fails"] is None else f" {format_number(capacity['fails'])} a second are too many."
    return f"It keeps {budget} at {format_number(capacity['holds'])} requests a second.{more}"


def say_service(document: Json) -> list[str]:
    """Return what a service can take in words, as lines of text."""
    lines = [f"{document['family']} on {document['device']}: {plain(say_capacity(document['capacity']))}"]
    for name, row in list_loads(document):
        p50, p99 = (format_number(row["latency"][key]["value"]) for key in ("p50_ms", "p99_ms"))
        rate = format_number(row["per_second"])
        lines.append(f"  {name}: {rate} answers per second, p50 {p50} ms, p99 {p99} ms, {row['failed']} failed")
    return lines
