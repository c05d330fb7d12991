"""The exit codes of the command line: one table for every verb and script."""

import enum
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
    """Return the table as lines of text, one code a line."""
    return [f"{code.value:>3}  {code.meaning}" for code in ExitCode]


def exit_code_of_signal(number: int) -> int:
    """Return the exit code of a process that a signal ended, as a shell reports it (143 for SIGTERM)."""
    return 128 + number
