"""The files of a comparison's sides: where the result and the parity of a cell lie, read as those that were judged."""

from collections.abc import Mapping

from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.layout import Cell, artifact_folder, run_folder
from edgeproof.runs.results import read_result


def read_judged_result(side: Json) -> Json:
    """Read the result file of a comparison's side, as it was judged; UserError if it was measured again since."""
    path = f"{folder_of_run(side['cell'])}/result.json"
    if sha256_file(path) != side["result_sha256"]:
        raise UserError(f"{path}: its sha256 is not the one judged; run the workflow again")
    return read_result(path)


def read_parity(result: Json, path: FilePath) -> Json:
    """Read the parity file of a comparison's side; UserError if it is about another artifact than the result."""
    parity: Json = read_parity_record(path)
    for name in ("manifest", "artifact"):
        if parity[f"{name}_sha256"] != result["digests"][name]:
            raise UserError(f"{path}: {name}_sha256 is not digests.{name} of the result; run the workflow again")
    if parity["evaluation"]["sha256"] != result["digests"]["inputs"]:
        raise UserError(f"{path}: evaluation.sha256 is not digests.inputs of the result; run the workflow again")
    return parity


def folder_of_run(cell: Mapping[str, str]) -> str:
    """Return the folder of a side's run, where its result file lies.

    `cell`: {model, preset, device, precision, builder}, as documents have it.
    """
    return run_folder(Cell(*(cell[field] for field in Cell._fields)))


def folder_of_artifact(cell: Mapping[str, str]) -> str:
    """Return the folder of a side's artifact, where its parity file lies; `cell` as for `folder_of_run`."""
    return artifact_folder(cell["model"], cell["preset"], cell["builder"], cell["precision"])
