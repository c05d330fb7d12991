"""Converters that run in a Python which the user has set up, with vendors' packages that we never install.

They are started like the others (see `converters.protocol`), but without a toolchain.
"""

import json
import shutil
import sys
from pathlib import Path

import onnx

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.processes import child_environment

from .build_failures import BuildError, explain_failed_build
from .build_job import BuildJob
from .building_device import run_device_program

_PACKAGES = {  # converter: the module that it needs, and how to get it
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


def run_vendor_converter(
    name: str, job: BuildJob, spec: Json, scratch: Path, timeout_s: float, model: onnx.ModelProto, facts: Json
) -> tuple[Json, str]:
    """Run a vendor's converter in the Python that the user set up; return (its facts, its output).

    The facts have the `path` of what it made. `spec`: what it is told. `model`: the source, whose nodes a failure may
    name. The exit code and the digest of the log are added to `facts`. BuildError if the converter refuses the model;
    UserError if there is no verdict, for instance because the vendor's package is missing.
    """
    python = shutil.which(job.interpreter or sys.executable)
    if python is None:
        raise UserError(f"{job.interpreter}: is not a program; correct the device's `interpreter`")
    out = scratch / "out"
    out.mkdir()
    spec_path = scratch / "spec.json"
    spec_path.write_text(json.dumps(spec))
    environment = child_environment(python, {"TMPDIR": str(scratch)})
    argv = [python, "-m", "edgeproof.converters", name, str(spec_path), str(out)]
    code, text = run_device_program(argv, out, environment, timeout_s)
    atomic_write(job.log, text.replace(str(scratch), "SCRATCH"))
    facts.update(exit_code=code, log_sha256=sha256_file(job.log))
    if code is None:
        raise BuildError("timed_out", f"converter {name}: nothing within {timeout_s} s (build.timeout_s)")
    if (out / "failure.json").is_file():
        raise explain_failed_build(json.loads((out / "failure.json").read_text()), model)
    if code == 0:
        made = json.loads((out / "facts.json").read_text())
        return {**made, "path": out / made["artifact"]}, text
    package, remedy = _PACKAGES[name]
    if f"No module named '{package}" in text:
        raise UserError(f"{python}: has no module {package!r}; {remedy}")
    if code < 0:
        raise UserError(f"converter {name}: ended by signal {-code}; free memory if it ran out, and run again")
    last = (text.strip().splitlines() or ["no message"])[-1][:300]
    raise UserError(f"converter {name}: exited with {code} and no verdict: {last}")
