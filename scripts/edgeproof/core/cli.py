"""What every script's `main` shares: one line for a user's mistake, and an exit code."""

import json
import sys

from .errors import UserError


def run(main, argv=None):
    """Run `main(argv)` and return a process exit code.

    0 for None, whatever integer `main` returns, 2 after one `error: …` line for a UserError, 130 when interrupted.
    Anything else is a defect of ours and keeps its traceback.
    """
    try:
        return main(sys.argv[1:] if argv is None else argv) or 0
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; nothing was recorded", file=sys.stderr)
        return 130


def json_argument(text):
    """Return the value of a command-line option that holds JSON (argparse `type`)."""
    return json.loads(text)
