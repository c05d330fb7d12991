"""Signals in tests: what a child has to heed, wherever the tests were started from."""

import signal


def heed_signals():
    """Make a child heed what it may inherit as ignored: SIGHUP under nohup, SIGINT behind a shell's `&`; for
    `preexec_fn`."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
