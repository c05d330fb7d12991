"""Converters that run in a Python which the user has set up: vendors' packages that we never install.

They are started as the others are (`converters.protocol`), less the toolchain.
"""

import json
import shutil
import sys
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.processes import child_environment

from .boards import run_tool
from .build_failures import BuildError, explain_failure

_NEEDS = {
    "tensorrt_calibration": (
        "tensorrt",
        "calibrating needs TensorRT's Python module; on a Jetson it belongs to the system's Python: name that as the "
        "device's `interpreter`",
    ),
    "rknn": (
        "rknn",
        "get rknn-toolkit2 from Rockchip and accept its licence yourself, and name the Python that has it as the "
        "device's `interpreter`",
    ),
}


def run_program(name, interpreter, spec, scratch, log, timeout_s, model, facts):
    """Run a converter and return `(its facts with the path of what it made, its output)`; BuildError is its verdict.

    `interpreter`: Python to run it with (None: ours). `model`: ModelProto, whose nodes a failure may name. Exit code
    and digest of the log go into `facts`. UserError when there is no verdict, above all without the vendor's package.
    """
    python = shutil.which(interpreter or sys.executable)
    if python is None:
        raise UserError(f"{interpreter}: is no program; correct the device's `interpreter`")
    out = Path(scratch) / "out"
    out.mkdir()
    spec_path = Path(scratch) / "spec.json"
    spec_path.write_text(json.dumps(spec))
    environment = child_environment(python, {"TMPDIR": str(scratch)})
    argv = [python, "-m", "edgeproof.converters", name, str(spec_path), str(out)]
    code, text = run_tool(argv, out, environment, timeout_s)
    atomic_write(log, text.replace(str(scratch), "SCRATCH"))
    facts.update(exit_code=code, log_sha256=sha256_file(log))
    if code is None:
        raise BuildError("timed_out", f"converter {name}: nothing within {timeout_s} s (build.timeout_s)")
    if (out / "failure.json").is_file():
        raise explain_failure(json.loads((out / "failure.json").read_text()), model)
    if code == 0:
        made = json.loads((out / "facts.json").read_text())
        return {**made, "path": out / made["artifact"]}, text
    package, remedy = _NEEDS[name]
    if f"No module named '{package}" in text:
        raise UserError(f"{python}: has no module {package!r}; {remedy}")
    if code < 0:
        raise UserError(f"converter {name}: ended by signal {-code}; free memory if it ran out, and run again")
    last = (text.strip().splitlines() or ["no message"])[-1][:300]
    raise UserError(f"converter {name}: exited with {code} and no verdict: {last}")
