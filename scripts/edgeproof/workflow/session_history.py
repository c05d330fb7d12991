"""`edgeproof runs history` and `runs bisect`: all sessions of a cell, and what changed where its latency stepped."""

import contextlib
import datetime
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeproof.core.command_line import show
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.formatting import format_percent
from edgeproof.core.suggestions import suggest_words
from edgeproof.runs.cell_history import HistoricSession, Step, describe_history, find_history_steps, read_history

from .made_names import list_stores

_RUNS = "runs/"
_SHOWN = 5  # differing parts of a step's keys that are named; the rest are counted


def tell_history(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof runs history`: print the history of a cell, every session, and the steps between them."""
    sessions, steps = _read(options.cell, root)
    document = describe_history(options.cell, sessions, steps)

    def tell() -> Iterator[str]:
        for number, session in enumerate(sessions):
            yield from (_say_step(step, sessions) for step in steps if step.place == number)
            yield f"{_say_time(session)}  {session.median_ms:10.4f} ms  {_say_kernel(session)}  {session.attempt}"
        yield document["reason"] or _count_steps(steps)

    return show(options, document, tell)


def bisect(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof runs bisect`: print the steps in a cell's session history, each with what changed there. NOT_PROVED
    where nothing that is known explains one.
    """
    sessions, steps = _read(options.cell, root)
    document = describe_history(options.cell, sessions, steps)
    lines = [_say_step(step, sessions) for step in steps]
    show(options, {**document, "sessions": len(sessions)}, lambda: [*lines, document["reason"] or _count_steps(steps)])
    return ExitCode.NOT_PROVED if any(step.cause == "unknown" for step in steps) else ExitCode.GOOD


def _read(cell: str, root: Path) -> tuple[list[HistoricSession], list[Step]]:
    name = cell.strip("/").removeprefix("results/").removeprefix(_RUNS).removesuffix("/result.json")
    folder = root / "results" / "runs" / name
    with contextlib.chdir(root):  # attempts are named relative to it
        sessions = read_history(folder)
    if not sessions:
        known = [path.removeprefix(_RUNS) for path in list_stores(root) if path.startswith(_RUNS)]
        raise UserError(f"{cell}: no session of this cell is in the store{suggest_words(name, known)}")
    return sessions, find_history_steps(sessions)


def _say_step(step: Step, sessions: Sequence[HistoricSession]) -> str:
    way = "slower" if step.ratio > 1 else "faster"
    kernel = "" if step.kernel_ratio is None else f" (the fixed kernel {format_percent(step.kernel_ratio - 1, 2)})"
    head = f"-- {format_percent(abs(step.ratio - 1), 2)} {way} from {_say_time(sessions[step.place])} on: "
    if step.cause == "machine":
        return f"{head}the machine changed{kernel}"
    if step.cause == "unknown":
        return f"{head}nothing that is recorded says why; the keys are the same{kernel}"
    named = "; ".join(str(item) for item in step.differences[:_SHOWN])
    more = f"; and {len(step.differences) - _SHOWN} more" if len(step.differences) > _SHOWN else ""
    return f"{head}{named}{more}{kernel}"


def _say_time(session: HistoricSession) -> str:
    moment = datetime.datetime.fromtimestamp(session.started_at_unix_s, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M")


def _say_kernel(session: HistoricSession) -> str:
    return "kernel         -" if session.kernel_ns is None else f"kernel {session.kernel_ns / 1e3:8.1f} µs"


def _count_steps(steps: Sequence[Step]) -> str:
    return "no step" if not steps else f"{len(steps)} {'step' if len(steps) == 1 else 'steps'}"
