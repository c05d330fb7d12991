"""What the doctor says of a device behind ssh: whether it can be reached, what it is, and how far its clock is off."""

from collections.abc import Iterator

from edgeproof.core.configuration import NamedDevice
from edgeproof.core.errors import UserError
from edgeproof.remote.boards import reach_board

from .findings import Finding

_MUCH_AHEAD_S = 60.0  # nothing is decided by the board's clock, but its own files are dated by it


def inspect_link(device: NamedDevice) -> Iterator[Finding]:
    """Yield the doctor's findings on the link to a device and the board behind it. A missing agent is sent."""
    try:
        with reach_board(device) as board:
            known = board.machine["board"] or board.machine["cpu"] or "a board that does not say its name"
            ahead = board.clock_ahead_s
            yield Finding("link", "ssh", "good", f"{board.link.host} answers; {known}, {board.machine['id']}")
    except UserError as error:
        text, _, remedy = str(error).partition("; ")
        yield Finding("link", "ssh", "bad", text, remedy or "ssh by hand says more")
        return
    told = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) < _MUCH_AHEAD_S:
        yield Finding("link", "clock", "good", told)
    else:
        yield Finding("link", "clock", "absent", f"{told}; sessions are dated by ours", "sudo date -s … on the board")
