"""May two results be compared at all? The verdict, its mode and its reasons; no measuring and no deltas here."""

from edgeproof.core.documents import write_json
from edgeproof.core.files import sha256_file
from edgeproof.runs.conditions import state_of
from edgeproof.runs.results import read_result

from .fields import UNRECORDED, describe_difference, normalise, read_fields

_FAILED = ("failed", "unsupported")


def judge_comparability(left, right, policy, varies=()):
    """Return {verdict, mode, reasons} for two field views (`fields.read_fields`, `edgeenv.view_run`).

    `verdict`: `no`, `conditional` or `yes`. `mode`: `none` with `no`; what the comparison is one of with `conditional`
    (`runtime-comparison` also when the target differs too, `target-comparison`, `<field>-comparison` for a field that
    `varies` names); `same-condition` with `yes`. Source: EdgeEnv's comparability contract, sections 6 and 12. `varies`
    is ours: whoever declares what is under study may compare across it, and the verdict says that this is all that may
    differ. Reasons come in the order in which the policy names its fields; a field that a view does not have was not
    recorded, and what is not known is not the same.
    """
    nameless = []
    if policy["require_model_bytes"] and not (left["model_bytes"] and right["model_bytes"]):
        nameless = [describe_difference("model_bytes", left["model_bytes"], right["model_bytes"])]

    def differing(fields):
        pairs = [(field, left.get(field, UNRECORDED), right.get(field, UNRECORDED)) for field in fields]
        return [
            describe_difference(field, one, other)
            for field, one, other in pairs
            if UNRECORDED in (one, other) or normalise(field, one, policy) != normalise(field, other, policy)
        ]

    # Two runtimes have two numberings of their versions: one more difference that says nothing more.
    same_runtime = left.get("runtime") == right.get("runtime")
    environment = [field for field in policy["environment"] if same_runtime or field != "runtime_version"]
    against = [*differing(policy["required"]), *differing(environment)]
    studied = [reason for reason in against if reason["field"] in varies]
    refusals = [*nameless, *(reason for reason in against if reason["field"] not in varies)]
    if refusals:
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
        mode = f"{studied[0]['field'].replace('_', '-')}-comparison"
    for reason in reasons:
        reason["remedy"] = None  # this difference is what the comparison is about
    return {"verdict": "conditional", "mode": mode, "reasons": reasons}


def judge_pair(comparison, left_path, right_path, policy_name, policy, varies, output):
    """Write `verdict.json` for two results: the judgement, and what of the results it rests on."""
    paths = {"left": left_path, "right": right_path}
    write_json(output, build_verdict(comparison, paths, policy_name, policy, varies), "verdict")


def build_verdict(comparison, paths, policy_name, policy, varies):
    """Return the verdict document; `paths`: {left, right} of two results, which are recomputed from their samples."""
    results = {side: read_result(path) for side, path in paths.items()}
    judgement = judge_comparability(*read_views(*results.values()), policy, varies)
    document = {
        "schema": "edgeproof.verdict.v1",
        "comparison": comparison,
        "policy": policy_name,
        "varies": list(varies),
        **judgement,
        "blocked": find_block(results),
    }
    for side, result in results.items():
        document[side] = {
            "cell": result["cell"],
            "status": result["status"],
            "provenance": result["provenance"],
            "result_sha256": sha256_file(paths[side]),
            "artifact_sha256": result["digests"]["artifact"],
            "state": state_of(result),
        }
    return document


def read_views(left, right):
    """Return the field views of two results; what a failed one never came to tell is no difference.

    Such a pair is blocked by the failure itself, which is the reason that helps (see `find_block`).
    """
    views = [read_fields(left), read_fields(right)]
    for result, view, other in zip((left, right), views, views[::-1], strict=True):
        if result["status"] in _FAILED and result["latency"] is None:
            view.update({field: other[field] for field, value in view.items() if value is None})
    return views


def find_block(results):
    """Return why no difference may be measured although the pair may be comparable: {kind, message}, or None.

    `results`: {side: result}. A failed cell has no number to compare, an unstable one none to trust.
    """
    for kind, statuses in (("failed", _FAILED), ("unstable", ("unstable",))):
        for side, result in results.items():
            if result["status"] in statuses:
                return {"kind": kind, "message": f"{side} is {result['status']}: {result['reason']['message']}"}
    return None
