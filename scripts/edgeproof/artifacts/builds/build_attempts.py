"""Builds that need no tools: those that were done before, and those whose input is at fault.

A script asks here before it starts a converter or imports anything slow, so this module imports little.
"""

import sys
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.sources.input_faults import find_samples_fault

from .build_job import BuildJob, read_plain


def settle_build(job: BuildJob) -> bool:
    """Put an earlier build with the same key into place, or record the fault of an input; return whether one did."""
    return record_input_fault(job) or adopt_build(job)


def record_input_fault(job: BuildJob) -> bool:
    """Write the failed manifest of a job whose model or calibration set cannot be used; return whether it was so."""
    fault = _find_input_fault(job)
    if fault is None:
        return False
    from .build_steps import record_failure

    print(f"{job}: not built: {fault['message']}", file=sys.stderr)
    record_failure(job, "unusable_input", fault["message"])
    return True


def _find_input_fault(job: BuildJob) -> Json | None:
    """Return {kind, message} of what is permanently wrong with the model or the calibration set of a job, or None."""
    fault = find_model_fault(job.identity)
    if fault is None and job.precision == "int8" and job.calibration:
        fault = find_samples_fault(job.calibration)
    return fault


def find_model_fault(identity: str | Path) -> Json | None:
    """Return {kind, message} of a model that cannot be used, from its identity; None for any other."""
    try:
        return read_plain(identity).get("reason")
    except (OSError, ValueError, AttributeError):  # the build will say what is wrong with this file
        return None


def adopt_build(job: BuildJob, device_tools: Json | None = None) -> bool:
    """Put the artifact and the manifest of an earlier build with the same key into place; return whether there was one.

    `device_tools`: of a build on a device, see `compose_build_key`.
    """
    if not has_attempts(job.manifest):
        return False
    from .build_keys import compose_build_key
    from .publishing import find_build, place_build

    try:
        key = compose_build_key(job, device_tools)
    except (OSError, ValueError, KeyError, TypeError):  # the build itself says what is wrong with its files and options
        return False
    built = find_build(job.manifest, key)
    if built is None:
        return False
    place_build(built, job.artifact, job.manifest, job.log)
    print(f"{job}: the same build is in {built}; nothing is built", file=sys.stderr)
    return True


def has_attempts(manifest: str | Path) -> bool:
    """Return whether there were attempts at a build, so that it is worth while to compose its key."""
    return (Path(manifest).parent / "attempts").is_dir()
