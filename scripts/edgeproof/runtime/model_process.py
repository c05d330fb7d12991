"""The process of an isolated model: loads one file and answers on its standard output until its input is closed.

python -m PACKAGE.model_process BACKEND FILE OPTIONS       (options: the runtime's, as JSON)
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from typing import List

from .array_frames import read_frame, write_frame
from .loaded_models import LoadedModel


def _serve_model(backend: str, path: str, options: str) -> None:
    """Load, say what the model is, and answer; what a runtime prints goes to standard error."""
    threading.Thread(target=_end_with_caller, daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = os.fdopen(os.dup(0), "rb")
    model = LoadedModel(backend, json.loads(options))
    try:
        model.load(path)
    except Exception as error:
        write_frame(answers, {"error": "{}: {}".format(type(error).__name__, error)}, [])
        return
    told = {"inputs": model.inputs, "outputs": model.outputs, "capabilities": model.capabilities()}
    write_frame(answers, told, [])
    while True:
        try:
            request, arrays = read_frame(requests)
        except EOFError:
            return
        try:
            outputs, problem = model.run(dict(zip(request["names"], arrays))), {}
        except Exception as error:
            outputs, problem = [], {"error": "{}: {}".format(type(error).__name__, error)}
        write_frame(answers, problem, outputs)


def _end_with_caller() -> None:
    """End this process when the one that sends requests is gone, also while a runtime loads, computes or hangs.

    It was started by a thread that may end before, so the kernel cannot end it with its parent. A hang-up of the pipe
    is told without reading from it.
    """
    watch = select.poll()
    watch.register(0, 0)
    while not any(events & (select.POLLHUP | select.POLLERR) for _, events in watch.poll()):
        pass
    os._exit(1)


def _main(argv: List[str]) -> None:
    _serve_model(*argv)


if __name__ == "__main__":
    _main(sys.argv[1:])
