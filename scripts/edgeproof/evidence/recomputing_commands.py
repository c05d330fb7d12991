"""Commands that compute what the page shows again, from raw data, as a reader copies them from it."""

from shlex import quote

from edgeproof.core.layout import Cell


def recompute_cell(cell: Cell) -> str:
    """Return the command that computes a cell's latency and percentiles again from its samples."""
    return f"edgeproof runs show {quote('/'.join(cell))}"


def recompute_comparison(campaign: str, name: str) -> str:
    """Return the command that computes a comparison's ratio, interval and verdict again from its pairs."""
    return f"edgeproof evidence report {quote(campaign)} --comparison {quote(name)}"


def recompute_campaign(campaign: str) -> str:
    """Return the command that computes everything on the page again and hashes every file behind it."""
    return f"edgeproof evidence validate {quote(campaign)}"


def recompute_plan(pipeline: str, goal: str) -> str:
    """Return the command that computes a plan's predicted latency again from its scenario."""
    return f"edgeproof plans verify {quote(f'{pipeline}/{goal}')}"
