"""Regressions at the gate: comparisons with `gate: true`, whose left side is a baseline."""

from collections.abc import Sequence

from edgeproof.comparability.edgeenv import SEVERITIES
from edgeproof.comparability.regression import read_regression
from edgeproof.core.configuration import Json
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import comparison_folder

from .wanted import GateSettings


def check_regressions(campaign: str, settings: GateSettings) -> list[Json]:
    """Return the regressions at the gate, one entry per gated comparison.

    Entry: comparison, state (`ok`, `tolerated`, `failing`), status, severity, … Every regression is judged again from
    raw data. UserError if the document does not follow.
    """
    entries = []
    for name in settings["gated"]:
        path = f"{comparison_folder(campaign, name)}/regression.json"
        regression = read_regression(path)
        entries.append(
            {
                "comparison": name,
                **judge_gated(regression, settings["fail_at"], settings["tolerate"]),
                "policy": regression["policy"],
                "provenance": regression["provenance"],
                "regression_sha256": sha256_file(path),
            }
        )
    return entries


def judge_gated(regression: Json, fail_at: str, tolerate: Sequence[str] = ()) -> Json:
    """Judge the regression of a gated comparison; return {state, status, severity, reasons}.

    A regression fails from the severity `fail_at` on and is tolerated below it. A comparison that could not be judged
    fails, unless its mode (`undecided`, `incomplete`) is in `tolerate`.
    """
    status, severity, reasons = regression["status"], regression["severity"], []
    state = "ok"
    if status == "regression":
        state = "failing" if SEVERITIES.index(severity) >= SEVERITIES.index(fail_at) else "tolerated"
        found = [line for line in regression["thresholds"] if line["status"] == "triggered"]
        changes = ", ".join(f"{line['name']} {line['delta_pct']:+.2f} %" for line in found)
        reasons = [f"{severity} regression by {regression['policy']}: {changes}"]
    elif status == "blocked":
        state = "tolerated" if regression["mode"] in tolerate else "failing"
        reasons = [f"not judged ({regression['mode']}): {regression['reason']}"]
    return {"state": state, "status": status, "severity": severity, "reasons": reasons}
