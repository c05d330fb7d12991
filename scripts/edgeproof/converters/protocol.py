"""How a converter is started in its toolchain, and how it answers.

    python -m edgeproof.converters NAME SPEC OUT

SPEC is a JSON file, or `-` where the JSON comes on stdin, once the packages are loaded and the model is checked; OUT is
an empty folder, which is also the working directory. A converter leaves its artifact there and what it knows of it in
`facts.json`; where the model cannot be converted, `failure.json` says why. Both are verdicts and exit with 0. Anything
else (a package missing, a bug of ours) is none: a traceback and another exit code.

Nothing here or in a converter imports the rest of edgeproof: a toolchain has its own packages and no others.
"""

import gc
import json
import os
import re
import sys
import traceback
import warnings
from pathlib import Path

_LONGEST = 2000
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ConversionError(Exception):
    """This model cannot become this artifact with this toolchain.

    `kind`: unsupported_operator, unsupported_model, conversion_failed or out_of_memory. `output`: name of the first
    output of the node that is to blame, where one is; whoever has the ONNX file can say the rest of it.
    """

    def __init__(self, kind, message, output=None):
        super().__init__(message)
        self.kind, self.output = kind, output


def run_converter(convert, argv):
    """Call `convert(spec, out)` and write what it returns to `facts.json`; its ConversionError to `failure.json`."""
    spec, out = json.loads(sys.stdin.read() if argv[0] == "-" else Path(argv[0]).read_text()), Path(argv[1])
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            facts = convert(spec, out)
        facts["warnings"] = sorted({_tidy(item.message) for item in caught if issubclass(item.category, UserWarning)})
        (out / "facts.json").write_text(json.dumps(facts))
    except ConversionError as error:
        traceback.print_exc()
        failure = {"kind": error.kind, "message": _tidy(error), "output": error.output}
        (out / "failure.json").write_text(json.dumps(failure))
    return 0


def refuse_nodes(nodes, why):
    """Raise ConversionError that blames the first of these nodes, if there is one; `why`: what it lacks, in words."""
    if nodes:
        rest = f"; {len(nodes) - 1} more nodes cannot be converted either" if len(nodes) > 1 else ""
        raise ConversionError("unsupported_operator", f"{why}{rest}", nodes[0].output[0])


def call_tool(tool, call):
    """Return `call()`; what the tool raises (also SystemExit, which some use) becomes a ConversionError."""
    try:
        return call()
    except ConversionError:
        raise
    except MemoryError as error:
        raise ConversionError("out_of_memory", f"{tool}: out of memory") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = str(error) if not isinstance(error, SystemExit) else "it gave up; its log says why"
        raise ConversionError("conversion_failed", f"{tool}: {text or type(error).__name__}") from error


def count_elements(shape):
    """Return the number of elements of a shape."""
    elements = 1
    for size in shape:
        elements *= int(size)
    return elements


def count_tensor(counted, dtype, elements):
    """Add one stored tensor to `{dtype: {"tensors", "elements"}}`."""
    item = counted.setdefault(dtype, {"tensors": 0, "elements": 0})
    item["tensors"] += 1
    item["elements"] += int(elements)


def _tidy(text):
    return " ".join(_COLOURS.sub("", str(text)).split())[:_LONGEST]


def main(convert):
    """Run a converter as a program, and end it without taking its packages down: TensorFlow needs 0.7 s for that.

    What they would remove then lies in the temporary folder, which belongs to whoever started this.
    """
    gc.freeze()  # what packages have made is there to stay
    gc.enable()
    code = run_converter(convert, sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
