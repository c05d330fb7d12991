"""`edgeproof state`: the device's state as JSON lines, each written out at once."""

import json
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.runtime.device_state import ProcessReader, StateError, StateReader, describe_state

_DECIMALS = 3


def stream_state(
    options: Namespace,
    root: Path,
    device: str = "/",
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Stream the device's state: print one line now and one every `interval` seconds.

    It ends when `duration` has passed, or with Ctrl-C. `device`: root of the file system that is read. A process that
    ends takes its `own` with it.
    """
    reader = StateReader(device, clock)
    process = ProcessReader(options.pid, device) if options.pid else None
    if process is not None and process.read() is None:
        raise UserError(f"--pid {options.pid}: there is no such process")
    begin, number = clock(), 0
    try:
        while True:
            print(json.dumps(read_line(reader, process, options.variant), allow_nan=False), flush=True)
            number += 1
            due = begin + number * options.interval
            if options.interval == 0 or due > begin + options.duration:
                return ExitCode.GOOD
            wait(max(0.0, due - clock()))
    except StateError as error:
        raise UserError(str(error)) from error


def read_line(reader: StateReader, process: ProcessReader | None, variant: str | None) -> Json:
    """Return one line of the state stream. `process`: whose share is ours; `variant`: what it runs."""
    fields: Json = {name: _shorten(value) for name, value in describe_state(reader.read()).items()}
    own = process.read() if process is not None else None
    if own is not None:
        fields["own"] = {"variant": variant, "memory_mb": _shorten(own.memory_mb), "cpu_pct": _shorten(own.cpu_pct)}
    if reader.problems:
        fields["problems"] = reader.problems
    return fields


def _shorten(value: Any) -> Any:
    return round(value, _DECIMALS) if isinstance(value, float) else value
