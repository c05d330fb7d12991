"""`edgeproof baseline promote`: a deployment decision names the next baseline, by rules that nobody can skip unnamed.

deployable, deployable_with_note     promoted
review_required                      promoted if somebody is named who has reviewed it
insufficient_evidence, blocked       refused
"""

import contextlib
from pathlib import Path

from edgeproof.artifacts.artifact_names import find_manifest
from edgeproof.artifacts.baselines import set_baseline
from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.comparability.deciding import read_decision
from edgeproof.comparability.side_files import folder_of_run
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.layout import comparison_folder
from edgeproof.core.stored_artifacts import BASELINE, BASELINES
from edgeproof.runs.results import read_result

_PROMOTED, _REVIEWED = ("deployable", "deployable_with_note"), "review_required"


def promote(target: str, name: str | None, reviewer: str | None, root: Path) -> Json:
    """Promote the right side of a comparison to be the baseline `name`, and return that baseline's document.

    `target`: CAMPAIGN/COMPARISON. `name`: default the model's; a baseline of this name is replaced. UserError where
    the decision does not allow it, does not follow from its evidence, or is of another artifact than the one stored.
    """
    campaign, slash, comparison = target.strip("/").partition("/")
    if not slash or "/" in comparison:
        raise UserError(f"{target}: name a comparison, CAMPAIGN/COMPARISON")
    with contextlib.chdir(root):  # documents name their files from here
        path = Path(comparison_folder(campaign, comparison)) / "decision.json"
        if not is_file(path):
            raise UserError(f"{path}: is missing; make it first: snakemake --profile local {path}")
        decision = read_decision(path)
        _require_allowed(decision, reviewer)
        cell = decision["candidate"]
        result = read_result(f"{folder_of_run(cell)}/result.json")
        place = "/".join(cell[field] for field in ("model", "preset", "device", "precision"))
        manifest = verify_manifest(find_manifest(place, root))
        if manifest["artifact"]["sha256"] != result["digests"]["artifact"]:
            raise UserError(f"{place}: its artifact is not the one that was decided on; run the workflow again")
        before = Path(BASELINES, name or cell["model"], BASELINE)
        promotion = {
            "campaign": campaign,
            "comparison": comparison,
            "decision": decision["decision"],
            "decision_sha256": sha256_file(path),
            "reviewer": reviewer,
            "previous_sha256": sha256_file(before) if is_file(before) else None,
        }
    return set_baseline(place, name, True, root, promotion)


def _require_allowed(decision: Json, reviewer: str | None) -> None:
    found = decision["decision"]
    if found in _PROMOTED or (found == _REVIEWED and reviewer):
        return
    remedy = "; name who has reviewed it: --reviewed-by NAME" if found == _REVIEWED else ""
    raise UserError(f"{decision['comparison']}: the decision is {found} ({decision['explanation']}){remedy}")
