"""The exception for a user's mistake."""


class UserError(Exception):
    """A mistake in the input that the user can fix.

    The message is one line: which file (or option), which key, which value, what would be right.
    Commands print it without a traceback and exit with 2 (see `core.program_start`).
    """
