"""The last words of a run, in ten lines at most: verdicts, what failed, where the page is."""

from collections.abc import Sequence
from pathlib import Path

MOST = 10
EXTRA = "Deployment: "  # begins a paragraph that is left out where the lines are too few for all
_FAILED = 3  # rows on what failed that many verdicts do not push out

Mark = tuple[int, int, int] | None  # of a file: inode, time of change in ns, size; None where there is none


def mark_file(path: str | Path) -> Mark:
    """Return a mark by which the closing lines of a run tell its own files from those of an earlier run."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def read_if_new(path: str | Path, before: Mark) -> str:
    """Return the text of a file for the closing lines of a run; empty if it is as it was at `before`."""
    return "" if mark_file(path) in (None, before) else Path(path).read_text(errors="replace").strip()


def compose_closing(gate: str, failures: Sequence[str], most: int = MOST) -> list[str]:
    """Return the lines that close a run, `most` of them.

    `gate`: paragraphs of `check_gate`, verdicts first; empty if it did not speak. `failures`: from `describe_failures`.
    Each paragraph keeps its first line, the last one (where the page is) all of them; rows of tables fill what is left,
    and verdicts leave room for what failed. A paragraph that begins with `EXTRA` is there only if everything is.
    """
    paragraphs = [part.splitlines() for part in gate.split("\n\n") if part.strip()]
    if sum(map(len, paragraphs)) + len(failures) > most:
        paragraphs = [part for part in paragraphs if not part[0].startswith(EXTRA)]
    last = paragraphs.pop() if len(paragraphs) > 1 else []
    told: list[str] = []
    room = most - len(failures) - len(paragraphs) - len(last)
    kept = min(_FAILED, sum(len(rows) for _, *rows in paragraphs[1:]))
    for head, *rows in paragraphs:
        own = room - (0 if told else kept)
        shown = shorten_list(rows, max(0, own), "more lines on the page") if own > 1 or len(rows) <= own else []
        room -= len(shown)
        told += [head, *shown]
    return [*told, *failures, *last][:most] if not last else [*[*told, *failures][: most - len(last)], *last]


def shorten_list(lines: Sequence[str], most: int, rest: str) -> list[str]:
    """Return at most `most` of the lines that close a run; the last one counts those left out."""
    if len(lines) <= most:
        return list(lines)
    return [*lines[: most - 1], f"  … and {len(lines) - most + 1} {rest}"] if most > 0 else []
