"""The time of day as documents keep it; no decision compares two of them, but no file may be from the future."""

import os
import shlex
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from .errors import UserError
from .files import FilePath
from .layout import relative_to_repository

_MOST_NAMED = 3
_SLACK_S = 1.0  # of a file system whose clock is not quite this machine's (a network share)


def now() -> str:
    """Return the time on the clock in UTC, to the second, as ISO 8601 with Z, as documents keep it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def require_order(inputs: Iterable[FilePath | None], now_s: float | None = None) -> None:
    """Raise UserError if an input is younger than now: the clock is behind, or the file's date is in the future.

    Snakemake takes a result that is older than its inputs for stale and removes it, so this is told before anything is
    measured. Inputs that are not there are left to others. `now_s`: seconds since 1970; default: this machine's clock.
    """
    now_s = time.time() if now_s is None else now_s
    dates = {str(path): Path(path).stat().st_mtime for path in inputs if path and Path(path).exists()}
    newest = max(dates, key=lambda path: dates[path], default=None)
    if newest is None or dates[newest] <= now_s + _SLACK_S:
        return
    dated, clock = (_format_local(seconds) for seconds in (dates[newest], now_s))
    ahead = [str(relative_to_repository(path)) for path, date in dates.items() if date > now_s + _SLACK_S]
    raise UserError(
        f"{relative_to_repository(newest)}: is dated {dated}, but the clock says {clock}, so nothing is measured. If "
        f"the clock is wrong, set it: date -s '{_format_local(dates[newest] + 1)}' or later; {_advise_touching(ahead)}"
    )


def _advise_touching(ahead: list[str]) -> str:
    """Return what to do about files with a wrong date: it names a few, and finds more by their date."""
    named = " ".join(map(shlex.quote, ahead[:_MOST_NAMED]))
    if len(ahead) <= _MOST_NAMED:
        return f"if the date is wrong: touch {named}"
    places = {path.split("/")[0] if not path.startswith("/") else os.path.dirname(path) for path in ahead}
    folders = " ".join(map(shlex.quote, sorted(places)))
    more = f"{named} and {len(ahead) - _MOST_NAMED} more"
    return f"if the dates are wrong ({more}): find {folders} -newermt now -exec touch {{}} +"


def _format_local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
