"""Whether this machine is the board that a campaign measures in its own shell; asked before anything is built."""

from collections.abc import Iterable, Mapping

from edgeproof.agent.machine import describe_itself, describe_machine
from edgeproof.core.configuration import Device


def find_other_boards(names: Iterable[str], devices: Mapping[str, Device]) -> list[str]:
    """Return a line for each of these devices that a job here would measure although this machine is not its board."""
    board = describe_machine()["board"]
    lines: list[str] = []
    for name in names:
        wanted = devices[name].get("board_contains")
        if devices[name]["transport"] == "local" and wanted and wanted.lower() not in (board or "").lower():
            lines.append(
                f"device {name}: is a board named {wanted!r}, and this machine {describe_itself(board)}; run this in "
                f"the board's shell, or reach it over ssh: --config 'hosts={{{name}: HOST}}'"
            )
    return lines
