"""The one exception that means: the user can fix this, and this line says how."""


class UserError(Exception):
    """A mistake in input that the user can mend.

    The message is one line: which file (or option), which key, which value, what would be right.
    Scripts print it without a traceback and exit with 2 (see `core.cli`).
    """
