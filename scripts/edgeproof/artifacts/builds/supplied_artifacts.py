"""Artifacts that a user supplies: taken as they are, hashed, and described by whoever can read their format.

A build script takes one where the model's configuration names a file for its precision and format. Nothing is built.
"""

import shutil
from pathlib import Path

from edgeproof.artifacts.records.forge import describe_forge_build
from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import locate
from edgeproof.sources.input_faults import InputFault, require_file

from .build_failures import BuildError
from .build_job import BuildJob
from .build_steps import carry_out_build
from .precision_proof import judge_counts


def take_supplied(supplied: Json, target: Path, facts: Json) -> None:
    """Copy an artifact of the user's to `target`, and say in `facts` what it is; BuildError if it is not as declared.

    `supplied`: its entry in the model's configuration. What its `record` says of the build is kept as well.
    """
    path = supplied["file"]
    try:
        require_file(path, "supplied.file")
        shutil.copyfile(path, target)
        actual = sha256_file(target)
        if actual != supplied.get("sha256", actual):
            raise InputFault("wrong_digest", f"supplied.sha256 is {supplied['sha256']}, but {path} has {actual}")
        described: Json = {"file": locate(path), "sha256": actual}
        if "record" in supplied:
            require_file(supplied["record"], "supplied.record")
            described["record"] = describe_forge_build(supplied["record"], actual)
        facts["supplied"] = described
    except (InputFault, UserError) as fault:
        raise BuildError("unusable_input", str(fault)) from fault


def take_closed_artifact(job: BuildJob, known: Json) -> None:
    """Take a supplied engine or RKNN file, whose format only its vendor's runtime reads, and write its manifest.

    Its interface is the source's and its precision is what the entry says; parity, on the device, shows both.
    """
    assert job.supplied is not None, "only a supplied artifact is taken"
    supplied = job.supplied
    facts: Json = {"toolchain": list_package_versions(()), "calibration": None}

    def convert(target: Path, scratch: Path) -> Json:
        take_supplied(supplied, target, facts)
        return {
            "opset": None,
            "inputs": known["inputs"],
            "outputs": known["outputs"],
            "precision": judge_counts(job.precision, {}, {}, {}) | {"basis": "declared"},
            "warnings": [f"nothing in the file proves that it is {job.precision}; its entry says so"],
        }

    if job.log:
        atomic_write(job.log, b"")
    carry_out_build(job, known, convert, facts)
