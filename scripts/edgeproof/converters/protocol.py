"""How a converter is started in its toolchain, and how it answers.

    python -m edgeproof.converters NAME SPEC OUT

SPEC is a JSON file, or `-` if the JSON comes on stdin after the packages are loaded. OUT is an empty folder and the
working directory. A converter writes its artifact there, and `facts.json` about it; if the model cannot be converted,
it writes `failure.json` with the reason. Both are verdicts, with exit code 0. Anything else (a missing package, a bug)
is not a verdict: a traceback and another exit code.

Converters import nothing else of edgeproof, because a toolchain has its own packages and no others. This module must
work in Python 3.8, which vendors' packages may need; so annotations that 3.8 cannot evaluate are in quotes.
"""

import gc
import json
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

_LONGEST_TEXT = 2000
_COLOUR_CODES = re.compile(r"\x1b\[[0-9;]*m")


class ConversionError(Exception):
    """This toolchain cannot convert this model.

    `kind`: unsupported_operator, unsupported_model, conversion_failed or out_of_memory. `output`: the first output of
    the node at fault, if there is one; the caller, which has the ONNX file, describes the node.
    """

    def __init__(self, kind: str, message: str, output: "str | None" = None) -> None:
        super().__init__(message)
        self.kind, self.output = kind, output


def carry_out_spec(convert: "Callable[[Any, Path], Any]", argv: "list[str]") -> int:
    """Call `convert(spec, out)` as the protocol says: facts go to `facts.json`, ConversionError to `failure.json`."""
    spec, out = json.loads(sys.stdin.read() if argv[0] == "-" else Path(argv[0]).read_text()), Path(argv[1])
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            facts = convert(spec, out)
        facts["warnings"] = sorted(
            {_clean_text(item.message) for item in caught if issubclass(item.category, UserWarning)}
        )
        (out / "facts.json").write_text(json.dumps(facts))
    except ConversionError as error:
        traceback.print_exc()
        failure = {"kind": error.kind, "message": _clean_text(error), "output": error.output}
        (out / "failure.json").write_text(json.dumps(failure))
    return 0


def refuse_nodes(nodes: "Sequence[Any]", why: str) -> None:
    """Raise the protocol's ConversionError if a converter cannot convert one of these ONNX nodes, for the first.

    `why`: what the first node lacks.
    """
    if nodes:
        rest = f"; {len(nodes) - 1} more nodes cannot be converted either" if len(nodes) > 1 else ""
        raise ConversionError("unsupported_operator", f"{why}{rest}", nodes[0].output[0])


def call_tool(tool: str, call: "Callable[[], Any]") -> Any:
    """Return `call()`. If a converter's tool raises, SystemExit included, raise the protocol's ConversionError."""
    try:
        return call()
    except ConversionError:
        raise
    except MemoryError as error:
        raise ConversionError("out_of_memory", f"{tool}: out of memory") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = str(error) if not isinstance(error, SystemExit) else "it gave up; see its log"
        raise ConversionError("conversion_failed", f"{tool}: {text or type(error).__name__}") from error


def _clean_text(text):
    return " ".join(_COLOUR_CODES.sub("", str(text)).split())[:_LONGEST_TEXT]


def answer_by_protocol(convert: "Callable[[Any, Path], Any]") -> None:
    """Run a converter as a program that keeps the protocol, and end it without unloading its packages.

    Unloading takes TensorFlow 0.7 s. What they would remove is in the temporary folder, which belongs to the caller.
    """
    gc.freeze()  # what the packages have made stays
    gc.enable()
    code = carry_out_spec(convert, sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
