"""Quantities of how far an artifact agrees with its source, or one model with another: parity, F1, paired accuracy."""

from edgeproof.artifacts.records.parity_records import is_same_graph
from edgeproof.core.accuracy import count_samples_to_decide, paired_score_interval
from edgeproof.core.configuration import Json

from .criterion_terms import Criterion, Quantity, absent, confidence_of


def find_agreement(criterion: Criterion, parity: Json, accept_trivial: bool) -> Quantity:
    """Return the quantity of an artifact's agreement with its source. `accept_trivial`: as of `find_in_run`."""
    provenance, source = parity["provenance"], "parity.json"
    if parity["status"] == "not_run":
        return absent(source, f"parity was not run: {parity['reason']['message']}", provenance)
    trivial = None
    if parity["trivial"] and not accept_trivial:
        trivial = "parity is trivial: the same graph in the same runtime always agrees with itself"
    if criterion["metric"] == "parity":
        lines = parity["thresholds"]
        missed = sum(line["passed"] is False for line in lines)
        unknown = next((f"{line['metric']}: {line['reason']}" for line in lines if line["passed"] is None), None)
        if not missed:
            trivial = trivial or unknown or (None if lines else "no limit is set for this precision")
        if parity["status"] == "failed" and not missed:
            return absent(source, parity["reason"]["message"], provenance)
        return Quantity(missed, missed, missed, provenance, f"{len(lines)} limits of {source}", trivial)
    if "detection" in parity:
        found = parity["detection"]
        value, low, high = (100 * found[f"f1_{key}"] for key in ("difference", "low", "high"))
        if found["confidence"] != confidence_of(criterion):
            return absent(source, f"the interval of F1 is at {found['confidence']:g}", provenance)
        source = f"F1 over {found['images']} images of {source}"
        return Quantity(value, low, high, provenance, source, trivial, "more images would narrow it")
    accuracy = parity["accuracy"]
    if accuracy is None and (declared := _find_declared(parity)):
        return declared
    if accuracy is None:
        reason = "a regression has an error, not an accuracy" if "error" in parity else "accuracy was not measured"
        return absent(source, parity["absent"].get("relative_accuracy", reason), provenance)
    low, high, remedy = _find_difference(accuracy, criterion)
    if is_same_graph(parity):
        low = high = 0.0
    return Quantity(
        100 * accuracy["difference"],
        100 * low,
        100 * high,
        provenance,
        f"{accuracy['count']} paired answers of {source}",
        trivial,
        remedy,
    )


def find_paired_accuracy(criterion: Criterion, report: Json) -> Quantity:
    """Return the quantity of how two models agree: the change of accuracy, paired by the samples of both."""
    accuracy = report["accuracy"]
    if accuracy["difference"] is None:
        return absent("both parity.json", f"nothing is said about accuracy: {accuracy['reason']}")
    low, high, remedy = _find_difference(accuracy, criterion)
    source = f"{accuracy['count']} answers of both models to the same samples"
    figures = (100 * accuracy["difference"], 100 * low, 100 * high)
    return Quantity(*figures, report["provenance"], source, None, remedy)


def _find_difference(accuracy: Json, criterion: Criterion) -> tuple[float, float, str]:
    """Return (low, high, what would decide) of a paired difference of accuracies; ends as shares."""
    counts, confidence = (accuracy["gained"], accuracy["lost"], accuracy["count"]), confidence_of(criterion)
    low, high = paired_score_interval(*counts, confidence)
    needed = count_samples_to_decide(*counts, criterion["limit"] / 100, confidence)
    remedy = f"about {needed:,} evaluation samples would decide it" if needed else "no number of samples decides that"
    if needed and accuracy["gained"] + accuracy["lost"]:
        remedy += ", if answers differ as often"
    return low, high, remedy


def _find_declared(parity: Json) -> Quantity | None:
    """Return the difference of two accuracies that were measured elsewhere; None unless both are declared."""
    known = {item["precision"]: item for item in parity.get("declared", ())}
    if not {"fp32", parity["cell"]["precision"]} <= set(known):
        return None
    source, own = known["fp32"], known[parity["cell"]["precision"]]
    origin = f"declared: {own['origin']}; source: {source['origin']}"
    return Quantity(
        100 * (own["value"] - source["value"]), None, None, "declared", origin, "a declared figure has no interval"
    )
