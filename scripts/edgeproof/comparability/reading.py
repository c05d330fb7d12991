"""Read what the comparability room wrote; everything is computed again from its evidence.

All paths are those of `core.layout`, relative to the repository, like those of the raw samples of pairs.
"""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file, sha256_file
from edgeproof.core.reader import read_once, reading_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.verified import verified_once
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.results import read_result

from .judging import Latitude, build_verdict
from .reporting import rebuild_report
from .side_files import folder_of_run


@read_once
@verified_once("comparison")
@reading_once()
def read_comparison(path: FilePath) -> Json:
    """Return the report of a comparison, recomputed from `verdict.json`, `pairs.csv` and `pairs.json` beside it.

    UserError names the file and the first value that does not follow: an effect without its pairs, a verdict or an
    interval that was changed, pairs of another comparison. The samples of every pair are read again. `read_verdict`
    does the same for the verdict.
    """
    path = Path(path)
    report = read_json(path, "comparison")
    beside = {name: path.with_name(name) for name in ("verdict.json", "pairs.csv", "pairs.json")}
    absent = next((file for file in beside.values() if not file.is_file()), None)
    if absent:
        raise UserError(f"{path}: {absent.name} is not beside it, so nothing in it can be checked")
    record = read_json(beside["pairs.json"], "pairs")
    verdict = read_json(beside["verdict.json"], "verdict")
    for name, document in (("verdict.json", verdict), ("pairs.json", record)):
        if document["comparison"] != report["comparison"]:
            raise UserError(f"{path}: comparison is {report['comparison']!r}, {name} is of {document['comparison']!r}")
    if report["effect"] is not None and sha256_file(beside["pairs.csv"]) != report["digests"]["pairs"]:
        raise UserError(f"{path}: has an effect, but {beside['pairs.csv']} is not the table it comes from")
    read_own_verdict(beside["verdict.json"])  # first, so that an edit of the verdict is not taken for one of the report
    again = rebuild_report(report, beside["verdict.json"], beside["pairs.csv"], beside["pairs.json"])
    _require_same_calibrations(report, again, path)
    must_follow(report, again, "", path, "verdict and pairs")
    return report


def _require_same_calibrations(report: Json, again: Json, path: Path) -> None:
    """Raise UserError where a calibration is a valid one, and not the one that the report was made with."""
    now = {noise["file"]: noise["sha256"] for noise in again["noise"]}
    for noise in report["noise"]:
        if now.get(noise["file"], noise["sha256"]) != noise["sha256"]:
            raise UserError(
                f"{noise['file']}: digest differs from the one in {path}: this calibration was replaced since the "
                "comparison was reported; run the workflow again"
            )


@read_once
def read_own_verdict(path: FilePath) -> Json:
    """Read the verdict of comparability at `path`, judged again by the policy it names; a report judges it once."""
    return read_verdict(path)


def read_verdict(path: FilePath, policy: Json | None = None) -> Json:
    """Read the verdict of comparability at `path`, judged again from its two results and its policy.

    `policy`: the policy document; config/policies/{name}.yaml by default. UserError names what does not follow; the
    results are themselves recomputed from their samples.
    """
    verdict = read_json(path, "verdict")
    policy = policy or read_yaml(f"config/policies/{verdict['policy']}.yaml", "policy")
    paths = {side: f"{folder_of_run(verdict[side]['cell'])}/result.json" for side in ("left", "right")}
    for side, result in paths.items():
        if not is_file(result):
            raise UserError(f"{path}: {side}.cell has no result: {result} is missing; run the workflow again")
    again = build_verdict(
        verdict["comparison"], paths, verdict["policy"], policy, Latitude(verdict["varies"], verdict["waive"])
    )
    must_follow(verdict, again, "", path, "the two results")
    return verdict


def read_side(report: Json, side: str, path: FilePath) -> Json:
    """Return the result of one side of a report; UserError if the report is about another one."""
    result = read_result(path)
    if sha256_file(path) != report["digests"][f"{side}_result"]:
        raise UserError(f"{path}: its sha256 is not digests.{side}_result of {report['comparison']}; run it again")
    return result
