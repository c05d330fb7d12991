"""What a comparison's report says of accuracy, in one sentence, and why where it says nothing."""

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import SPACE, decimals_for, format_percent, format_range, format_signed, plural


def describe_accuracy(report: Json) -> str | None:
    """Return the sentence on accuracy; None where both sides have one source and no paired figures, since parity with
    that source stands with each of them.
    """
    accuracy = report["accuracy"]
    if accuracy is None:
        return None
    if accuracy["difference"] is None:
        return f"Nothing is said about accuracy: {accuracy['reason']}." if accuracy["two_models"] else None
    difference, low, high = (100 * accuracy[key] for key in ("difference", "low", "high"))
    decimals = min(2, decimals_for(difference, low, high))
    left, right = (format_percent(accuracy[side]) for side in ("left", "right"))
    return (
        f"Accuracy {left} → {right} on {plural(accuracy['count'], 'sample')} (difference "
        f"{format_signed(difference, decimals)}{SPACE}points, {format_range(low, high, decimals, sign=True)})."
    )
