"""The process of an isolated model: loads one file and answers on its standard output until its input is closed.

python -m PACKAGE.model_process BACKEND FILE OPTIONS       (options: the runtime's, as JSON)
"""

from __future__ import annotations

import json
import os
import sys
from typing import List

from .array_frames import read_frame, write_frame
from .loaded_models import LoadedModel


def _serve_model(backend: str, path: str, options: str) -> None:
    """Load, say what the model is, and answer; what a runtime prints goes to standard error."""
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


def _main(argv: List[str]) -> None:
    _serve_model(*argv)


if __name__ == "__main__":
    _main(sys.argv[1:])
