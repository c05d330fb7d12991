"""Comparisons that were made before: found by their key, judged again where only the limits have changed.

The key holds what decides the outputs. The limits of a preset are not in it: a verdict follows from what was measured.
"""

import sys
from pathlib import Path

from edgeproof.agent.messages import tell
from edgeproof.artifacts.records.deciding_code import digest_agent, digest_deciding_code
from edgeproof.artifacts.records.package_versions import find_package_version
from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.attempts import Attempt, find_attempts
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, keep_file, sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import locate
from edgeproof.core.tasks import list_task_files
from edgeproof.remote.boards import identify_machine

from .divergence import leave_layers
from .parity_limits import judge_document

PARITY, REFERENCE = "parity.json", "reference.npz"  # what the store calls the two files
_CODE = "scripts/edgeproof/artifacts/agreement/parity.py"
_BY_LIMITS = ("threshold_missed", "metrics_unknown")  # kinds of reasons that follow from the limits


def compose_parity_key(
    document: Json, built: Json, interpreter: str, toolchains: list[str], judge: Json | None = None
) -> Json:
    """Return the key of an attempt at parity, {sha256, parts}, by which a comparison of outputs is found again.

    `document`: the parity document so far, with its digests, evaluation set and arm. `built`: the manifest.
    `interpreter`: the Python that runs the artifact. `toolchains`: records of the environments that take part.
    `judge`: how the task is judged, whose files are parts of the key.
    """
    on_device = built["cell"]["builder"] != "host"
    ours = Path(interpreter).absolute() == Path(sys.executable).absolute()
    parts = {
        "artifact": document["artifact_sha256"],
        "source": document["source_sha256"],
        "evaluation": document["evaluation"]["sha256"],
        "arm": document["arm"],
        "task": document["task"],
        "judge": judge and {"options": judge, "files": {path: sha256_file(path) for path in list_task_files(judge)}},
        "runtime": {
            "reference": {"onnxruntime": find_package_version("onnxruntime")},
            "interpreter": None if ours else locate(interpreter),
            "toolchains": {Path(path).stem: read_json(path, "toolchain")["lock"]["sha256"] for path in toolchains},
            "drivers": built.get("drivers") if on_device else None,
        },
        "machine": identify_machine(built["cell"]["builder"])["id"] if on_device else None,
        "code": {"comparing": digest_deciding_code(_CODE), "agent": digest_agent()},
    }
    return compose_key(parts)


def find_comparison(parity: str | Path, key: Json) -> Attempt | None:
    """Return the first kept parity attempt with this key whose files are unchanged: a comparison that was made before.

    Others are named on stderr. `parity`: where its parity.json belongs.
    """
    for attempt in find_attempts(Path(parity).parent, key, spares=True):
        try:
            document = read_parity_record(attempt.folder / PARITY)
            if sha256_file(attempt.folder / REFERENCE) != document["reference"]["sha256"]:
                raise UserError(f"{attempt.folder / REFERENCE}: sha256 is not the one in {PARITY}; it was changed")
        except UserError as error:
            tell(f"{attempt.folder} is not used: {error}")
            continue
        return attempt
    return None


def reuse_comparison(
    attempt: Attempt, today: Json, thresholds: dict[str, float], parity: str | Path, reference: str | Path
) -> None:
    """Put a kept parity attempt into place: byte for byte, or judged again where limits or names of files differ.

    `today`: what a new document would say beside what was measured: cell, manifest, evaluation and command.
    """
    kept = read_parity_record(attempt.folder / PARITY)
    document = {key: value for key, value in kept.items() if key != "declared"} | today
    document["reference"] = {**kept["reference"], "file": locate(reference)}
    if kept["reason"] is None or kept["reason"]["kind"] in _BY_LIMITS:
        document |= {"status": "not_run", "reason": None}
    judge_document(document, thresholds)
    worst = attempt.record["facts"].get("worst_sample")
    if document["status"] == "failed" and "divergence" not in document and worst is not None:
        document["divergence"] = leave_layers(
            worst,
            document["thresholds"],
            f"it passed with other limits, and layers are compared only where it fails; remove {attempt.folder} to "
            "compare again",
        )
    keep_file(attempt.folder / REFERENCE, reference)
    if document == kept:
        atomic_write(parity, (attempt.folder / PARITY).read_bytes())
        tell(f"the same comparison is in {attempt.folder}; nothing is run")
    else:
        write_sealed(parity, document, "parity")
        tell(f"judged again from the comparison in {attempt.folder}; nothing is run")
