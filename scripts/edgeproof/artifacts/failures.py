"""Builds that end in a verdict: what a converter refused, in one line that names the node where that is known."""

import contextlib
import re
import tempfile

from ..core.errors import UserError
from ..sources.onnx_graphs import iterate_nodes

_UNSUPPORTED = (
    "not_implemented",
    "no op registered for",
    "is not a registered function",
    "could not find an implementation",
    "unsupported operator",
)
_LONGEST = 500


class BuildError(Exception):
    """This model cannot become this artifact with these tools, and trying again will not change that.

    `kind`: unsupported_operator, conversion_failed, precision_not_held, out_of_memory or timed_out.
    """

    def __init__(self, kind, message):
        super().__init__(" ".join(str(message).split())[:_LONGEST])
        self.kind = kind


@contextlib.contextmanager
def tool_failures(tool, model):
    """Turn what a conversion tool raises inside into BuildError; mistakes of the user and of the disk pass through.

    `model` (ModelProto) is searched for the node that the message speaks of. Temporary folders are cut out of it.
    """
    try:
        yield
    except (UserError, BuildError, OSError):
        raise
    except MemoryError as error:
        raise BuildError("out_of_memory", f"{tool}: {error or 'out of memory'}") from error
    except Exception as error:  # tools raise whatever they like, down to plain Exception
        text = re.sub(rf"{re.escape(tempfile.gettempdir())}/[^/\s]+/", "", str(error)) or type(error).__name__
        raise BuildError(classify_failure(text), f"{tool}: {text}{locate_failure(text, model)}") from error


def classify_failure(text):
    """Return the kind that a tool's message stands for."""
    lowered = text.lower()
    if any(phrase in lowered for phrase in _UNSUPPORTED):
        return "unsupported_operator"
    if "bad_alloc" in lowered or "failed to allocate" in lowered:
        return "out_of_memory"
    return "conversion_failed"


def locate_failure(text, model):
    """Return ` (node …, operator …, opset …)` of the node that a message names, or only the opset of the model."""
    versions = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    nodes = list(iterate_nodes(model.graph.node))
    found = next(
        (node for node in nodes if node.name and re.search(rf"(?<!\w){re.escape(node.name)}(?!\w)", text)), None
    )
    if found is None:
        found = next((node for node in nodes if re.search(rf"(?<!\w){re.escape(node.op_type)}(?!\w)", text)), None)
    if found is None:
        return f" (opset {versions.get('ai.onnx', '?')})"
    return f" ({describe_node(found, versions)})"


def explain_failure(failure, model):
    """Return the BuildError of a converter's `failure.json`, with the node to blame in words where one is known."""
    message = failure["message"]
    kind = classify_failure(message) if failure["kind"] == "conversion_failed" else failure["kind"]
    node = next((node for node in iterate_nodes(model.graph.node) if failure["output"] in [*node.output[:1]]), None)
    if node is None:
        return BuildError(kind, f"{message}{locate_failure(message, model)}")
    versions = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    return BuildError(kind, f"{describe_node(node, versions)}: {message}")


def describe_node(node, versions):
    """Return what a node is in words; an unnamed node is known by its first output. `versions`: opset by domain."""
    domain = node.domain or "ai.onnx"
    named = f"node {node.name!r}" if node.name else f"node that makes {node.output[0] if node.output else '?'!r}"
    return f"{named}, operator {node.op_type}, opset {domain} {versions.get(domain, '?')}"
