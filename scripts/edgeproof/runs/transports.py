"""How a session of the agent gets to its device: as a process here, or over ssh to a board.

What a board has finished while the link was down is taken when its key is asked for again (`remote.boards`).
"""

import contextlib
from collections.abc import Callable, Generator
from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.core.attempts import OpenAttempt, find_attempts
from edgeproof.core.configuration import Device, Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write
from edgeproof.remote.boards import Board, BoardJob, reach_board
from edgeproof.remote.known_boards import is_remote
from edgeproof.remote.ssh_link import LinkLost

ON_BOARD = "on-board.lock"  # in an attempt whose session the board still has; what is here of it does not count
_SLACK_S = 3600.0  # beyond what its processes may take, a session waits so long for the device


@contextlib.contextmanager
def connect_device(device: Device) -> Generator[Board | None]:
    """Open the transport to a device and yield its board, None for this machine. Open the attempt within: when it is
    closed, the board forgets the session, unless the link was lost.
    """
    if device["transport"] == "manual":
        raise UserError(
            f"no job reaches {device['board']} (transport: manual), so only runs are measured there; take the "
            "comparison or calibration out of the campaign"
        )
    if not is_remote(device):
        yield None
        return
    with reach_board(device) as board:
        try:
            yield board
        except LinkLost:
            raise
        except UserError:  # it reached no verdict, and the attempt says why
            board.forget_session()
            raise
        board.forget_session()


def describe_measuring_machine(board: Board | None) -> Json:
    """Return {id, board, cpu} of the machine at the far end of a transport; without a board, of this one."""
    return describe_machine() if board is None else board.machine


def describe_transport(board: Board | None) -> Json:
    """Return what an attempt's facts say of how its session was carried out; nothing for this machine."""
    return {} if board is None else {"board": board.describe_session()}


def carry_out_on_board(
    board: Board, verb: str, attempt: OpenAttempt, spec: Json, answer: Callable[[Json], bool] | None = None
) -> int:
    """Transport a session to a board, carry it out, and return the agent's exit code; its files are then in `session/`.

    `answer`: asked after every pair whether another is wanted. LinkLost ends the attempt, and the session stays on the
    board for the next one.
    """
    target, key = attempt.store.parent, attempt.record["key"]
    sessions = (known.record["facts"].get("board", {}).get("session") for known in find_attempts(target, key))
    job = BoardJob(
        verb=verb,
        label=spec["label"],
        key=key["sha256"],
        owner=target,
        spec=spec,
        limit_s=_limit_time(spec),
        known=frozenset(filter(None, sessions)),
    )
    mark = attempt.folder / ON_BOARD
    atomic_write(mark, f"{board.link.host}\n")
    try:
        code = board.carry_out(job, attempt.folder / "session", attempt.folder / "agent.log", answer)
    except LinkLost as error:
        attempt.fail("link_lost", str(error))
        raise
    except BaseException:
        if board.session is None:  # it was ended there, and what it had is here
            mark.unlink(missing_ok=True)
        raise
    mark.unlink()
    return code


def is_kept_on_board(folder: Path) -> bool:
    """Tell whether the board still has an attempt's session: what was transported of it will come again."""
    return (folder / ON_BOARD).exists()


def _limit_time(spec: Json) -> float:
    """Return after how many seconds a session on a board has gone wrong, whatever its processes say."""
    budget = spec.get("budget")
    processes = len(spec["order"]) if budget is None else 2 * budget["pairs"]
    return _SLACK_S + (processes + 1) * spec["timeout_s"]
