"""Builds that need no tools: those that were done before, and those whose input is at fault.

A script asks here before it starts a converter or imports anything slow, so this module imports little.
"""

from pathlib import Path

from edgeproof.agent.messages import tell
from edgeproof.core.configuration import Json
from edgeproof.sources.input_faults import find_model_fault, find_samples_fault

from .build_job import BuildJob


def take_shortcut(job: BuildJob) -> bool:
    """Take a shortcut, if there is one: put an earlier build into place, or record the fault of an input.

    Return whether it did one of the two.
    """
    return record_input_fault(job) or adopt_build(job)


def record_input_fault(job: BuildJob) -> bool:
    """Take the shortcut of a build whose model or calibration set cannot be used: write its failed manifest.

    Return whether that was so.
    """
    fault = _find_input_fault(job)
    if fault is None:
        return False
    from .build_steps import record_failed_build

    tell(f"{job}: not built: {fault['message']}")
    record_failed_build(job, "unusable_input", fault["message"])
    return True


def _find_input_fault(job: BuildJob) -> Json | None:
    """Return {kind, message} of what is permanently wrong with the model or the calibration set of a job, or None."""
    fault = find_model_fault(job.identity)
    if fault is None and job.precision == "int8" and job.calibration and not job.supplied:
        fault = find_samples_fault(job.calibration)
    return fault


def adopt_build(job: BuildJob, device_tools: Json | None = None) -> bool:
    """Take the shortcut of an earlier build with the same key: put it into place, so that no tool runs.

    Return whether there was one. `device_tools`: of a build on a device, see `compose_build_key`.
    """
    if not has_attempts(job.manifest):
        return False
    from .build_keys import compose_build_key
    from .kept_builds import find_kept_build, place_kept_build

    try:
        key = compose_build_key(job, device_tools)
    except (OSError, ValueError, KeyError, TypeError):  # the build itself says what is wrong with its files and options
        return False
    built = find_kept_build(job.manifest, key)
    if built is None:
        return False
    place_kept_build(built, job.artifact, job.manifest, job.log)
    tell(f"{job}: the same build is in {built}; nothing is built")
    return True


def has_attempts(manifest: str | Path) -> bool:
    """Tell whether there can be a shortcut: only with earlier attempts is it worth composing the key of a build."""
    return (Path(manifest).parent / "attempts").is_dir()
