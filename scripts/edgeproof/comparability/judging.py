"""May two results be compared at all? The verdict, its mode and its reasons, without measuring anything."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypedDict

from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.runs.conditions import state_of
from edgeproof.runs.results import read_result
from edgeproof.runs.sessions import Reason

from .field_views import (
    UNRECORDED,
    VARIES,
    FieldReason,
    FieldView,
    describe_difference,
    list_allowed,
    name_study,
    normalise,
    read_fields,
)
from .resources import read_resources

_FAILED = ("failed", "unsupported")


WAIVED = "waived"


class Judgement(TypedDict):
    """Whether two results may be compared; see `judge_comparability`."""

    verdict: str
    mode: str
    reasons: list[FieldReason]


class Latitude(NamedTuple):
    """What a comparison lets differ. `varies`: what is under study. `waive`: {field: why it is let pass}."""

    varies: Sequence[str] = ()
    waive: Mapping[str, str] = MappingProxyType({})


_NOTHING = Latitude()


def judge_comparability(
    left: FieldView, right: FieldView, policy: Mapping[str, Any], latitude: Latitude = _NOTHING
) -> Judgement:
    """Judge whether two field views may be compared (`read_fields`, or EdgeEnv's `view_run`); return the Judgement.

    `verdict`: `no`, `waived`, `conditional` or `yes`. `mode`: `none` with `no`; `waived` where every field that refuses
    is waived, whose reason then stands in place of the remedy; `same-condition` with `yes`; with `conditional` what is
    compared: `runtime-comparison` (also when the target differs too), `target-comparison`, or
    `<name>-comparison` for the first of `varies` that differs. Source: EdgeEnv's comparability contract, sections 6 and
    12. The latitude is ours: of what is under study the fields may differ (`list_allowed`). Reasons come in the
    order of the policy's fields. A field that a view lacks was not recorded, and an unknown value counts as different.
    """
    excluded: list[FieldReason] = []
    if policy["require_model_bytes"] and not (left["model_bytes"] and right["model_bytes"]):
        excluded = [describe_difference("model_bytes", left["model_bytes"], right["model_bytes"])]
    if left.get("emulator") or right.get("emulator"):  # times of an emulated processor compare with nothing
        excluded.append(describe_difference("emulator", left.get("emulator"), right.get("emulator")))

    def differing(fields: Sequence[str]) -> list[FieldReason]:
        pairs = [(field, left.get(field, UNRECORDED), right.get(field, UNRECORDED)) for field in fields]
        return [
            describe_difference(field, one, other)
            for field, one, other in pairs
            if UNRECORDED in (one, other) or normalise(field, one, policy) != normalise(field, other, policy)
        ]

    # Versions of two different runtimes cannot be compared, and the runtime itself is listed as different already.
    same_runtime = left.get("runtime") == right.get("runtime")
    environment = [field for field in policy["environment"] if same_runtime or field != "runtime_version"]
    against = [*differing(policy["required"]), *differing(environment)]
    allowed = list_allowed(left, right, latitude.varies)
    studied = [reason for reason in against if reason["field"] in allowed]
    refusals = [*excluded, *(reason for reason in against if reason["field"] not in allowed)]
    if refusals and all(reason["field"] in latitude.waive for reason in refusals):
        for reason in refusals:
            reason["remedy"] = f"waived: {latitude.waive[reason['field']]}"
        return {"verdict": WAIVED, "mode": WAIVED, "reasons": refusals}
    if refusals:
        if left.get("target_name") != right.get("target_name"):
            for reason in refusals:
                if reason["field"] in VARIES["device"]:
                    told = f"declare `varies: [device]` to compare two devices as they are, or {reason['remedy']}"
                    reason["remedy"] = told
        return {"verdict": "no", "mode": "none", "reasons": refusals}
    runtime, target = differing(policy["runtime"]), differing(policy["target"])
    reasons = [*studied, *runtime, *target]
    if not reasons:
        return {"verdict": "yes", "mode": "same-condition", "reasons": []}
    if runtime:
        mode = "runtime-comparison"
    elif target:
        mode = "target-comparison"
    else:
        mode = f"{name_study(studied[0]['field']).replace('_', '-')}-comparison"
    for reason in reasons:
        reason["remedy"] = None  # this difference is what the comparison is about
    return {"verdict": "conditional", "mode": mode, "reasons": reasons}


def judge_pair(
    comparison: str,
    paths: Mapping[str, FilePath],
    policy_name: str,
    policy: Json,
    latitude: Latitude,
    output: FilePath,
) -> None:
    """Write `verdict.json` for two results: the judgement, and which results it is about. `paths`: {left, right}."""
    write_json(output, build_verdict(comparison, paths, policy_name, policy, latitude), "verdict")


def build_verdict(
    comparison: str, paths: Mapping[str, FilePath], policy_name: str, policy: Json, latitude: Latitude
) -> Json:
    """Judge two results, recomputed from their samples, and return the verdict document; `paths`: {left, right}."""
    results = {side: read_result(path) for side, path in paths.items()}
    judgement = judge_comparability(*read_views(results["left"], results["right"]), policy, latitude)
    document: Json = {
        "schema": "edgeproof.verdict.v4",
        "comparison": comparison,
        "policy": policy_name,
        "varies": list(latitude.varies),
        "waive": dict(latitude.waive),
        **judgement,
        "blocked": _find_block(results),
        "per": "item" if len({result["workload"]["batch_size"] for result in results.values()}) > 1 else "call",
    }
    for side, result in results.items():
        document[side] = {
            "cell": result["cell"],
            "status": result["status"],
            "provenance": result["provenance"],
            "result_sha256": sha256_file(paths[side]),
            "artifact_sha256": result["digests"]["artifact"],
            "items": result["workload"]["batch_size"],
            "state": state_of(result),
            "resources": read_resources(result),
        }
    return document


def read_views(left: Json, right: Json) -> tuple[FieldView, FieldView]:
    """Return the field views for judging two results; what a failed run could not record is no difference.

    The failure itself blocks such a pair, and is the more useful reason (see `_find_block`).
    """
    views = read_fields(left), read_fields(right)
    for result, view, other in zip((left, right), views, views[::-1], strict=True):
        if result["status"] in _FAILED and result["latency"] is None:
            view.update({field: other[field] for field, value in view.items() if value is None})
    return views


def _find_block(results: Mapping[str, Json]) -> Reason | None:
    """Return why no difference may be measured although the pair may be comparable, or None.

    `results`: {side: result}. A failed cell has no number to compare. A noisy one has: pairs judge by themselves.
    """
    for side, result in results.items():
        if result["status"] in _FAILED:
            return {"kind": "failed", "message": f"{side} is {result['status']}: {result['reason']['message']}"}
    return None
