"""The exit codes of the command line: one table for every verb and script."""

import enum
import signal
from typing import Self


class ExitCode(enum.IntEnum):
    """What a verb's exit code says. `meaning` is the text that `edgeproof --help` prints."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Make a member that equals the integer `code`."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    GOOD = 0, "good: done, and every verdict is good"
    NOT_GOOD = 1, "a verdict that is not good: something differs, is refuted or is infeasible"
    MISTAKE = 2, "a mistake in the call or in a file, said in one line on standard error"
    NOT_PROVED = 3, "not proved or not decided: no verdict either way"
    FAULT = 70, "a fault of edgeproof itself, with its traceback; please report it"
    INTERRUPTED = 130, "interrupted with Ctrl-C (SIGINT)"
    TERMINATED = 143, "terminated (SIGTERM)"


def describe_exit_codes() -> list[str]:
    """Return the table of exit codes as lines of text, one code a line."""
    return [f"{code.value:>3}  {code.meaning}" for code in ExitCode]


def exit_code_of_signal(number: int) -> int:
    """Return the exit code of a process that a signal ended, as a shell reports it (143 for SIGTERM)."""
    return 128 + number


def name_signal(code: int) -> str | None:
    """Return the name of the signal that ended a process; None if it ended by itself.

    `code`: its exit code as a shell reports it (143: SIGTERM) or as Python does (-15).
    """
    try:
        return signal.Signals(-code if code < 0 else code - 128).name
    except ValueError:
        return None


def describe_kill(name: str) -> str:
    """Return what to say of a process whose exit code names a signal, and what to do: the end of a sentence."""
    if name == "SIGKILL":
        return (
            "was killed (SIGKILL); if nobody did that, the memory ran out: `sudo dmesg | grep -i oom` says so. "
            "Free memory, and run the same command again"
        )
    if name in ("SIGTERM", "SIGHUP", "SIGINT"):
        why = {"SIGTERM": "", "SIGHUP": "; the terminal or the connection was closed", "SIGINT": "; Ctrl-C"}[name]
        return f"was ended by {name}{why}. Run the same command again"
    if name == "SIGPIPE":
        return "lost the reader of its output (SIGPIPE). Run the same command again"
    return f"was ended by {name}; it crashed, or the machine is at fault"
