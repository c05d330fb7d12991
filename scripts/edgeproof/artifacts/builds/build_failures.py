"""Failures of builds that are a verdict: what a converter refused, in one line, with the node if it is known."""

import contextlib
import re
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.sources.onnx_graphs import iterate_nodes

if TYPE_CHECKING:  # onnx takes long to import, and scripts start their converter first
    import onnx

_UNSUPPORTED_PHRASES = (
    "not_implemented",
    "no op registered for",
    "is not a registered function",
    "could not find an implementation",
    "unsupported operator",
)
_LONGEST_MESSAGE = 500
_SCRATCH = re.compile(r"/[^\s'\":]*/edgeproof-build-[^/\s'\"]+/(?:out/|tmp/)?")  # folders that are gone when it is read


class BuildError(Exception):
    """These tools cannot build this artifact from this model, and trying again will not change that.

    `kind`: unsupported_operator, conversion_failed, precision_not_held, out_of_memory, timed_out or unusable_input.
    """

    def __init__(self, kind: str, message: object) -> None:
        super().__init__(" ".join(str(message).split())[:_LONGEST_MESSAGE])
        self.kind = kind


@contextlib.contextmanager
def tool_failures(tool: str, model: "onnx.ModelProto") -> Iterator[None]:
    """Turn a tool's failure in the context, such as a converter's, into BuildError; UserError and OSError pass through.

    `model`: is searched for the node that the message names. Temporary folders are removed from the message.
    """
    try:
        yield
    except (UserError, BuildError, OSError):
        raise
    except MemoryError as error:
        raise BuildError("out_of_memory", f"{tool}: {error or 'out of memory'}") from error
    except Exception as error:  # tools raise anything, down to plain Exception
        text = re.sub(rf"{re.escape(tempfile.gettempdir())}/[^/\s]+/", "", str(error)) or type(error).__name__
        raise BuildError(classify_failure(text), f"{tool}: {text}{locate_failure(text, model)}") from error


def classify_failure(text: str) -> str:
    """Return the kind of build failure that a tool's message describes."""
    lowered = text.lower()
    if any(phrase in lowered for phrase in _UNSUPPORTED_PHRASES):
        return "unsupported_operator"
    if "bad_alloc" in lowered or "failed to allocate" in lowered:
        return "out_of_memory"
    return "conversion_failed"


def locate_failure(text: str, model: "onnx.ModelProto") -> str:
    """Return ` (node …, operator …, opset …)` of the node that a failure's message names, or as much as it says.

    If a message names an operator of which the model has several nodes, it does not say which one it means.
    """
    versions = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    nodes = list(iterate_nodes(model.graph.node))
    found = [node for node in nodes if node.name and _names_node(text, node.name)][:1]
    if not found:
        found = [node for node in nodes if re.search(rf"(?<!\w){re.escape(node.op_type)}(?!\w)", text)]
        found = [node for node in found if node.op_type == found[0].op_type]
    if not found:
        return f" (opset {versions.get('ai.onnx', '?')})"
    if len(found) == 1:
        return f" ({describe_node(found[0], versions)})"
    domain = found[0].domain or "ai.onnx"
    return f" (operator {found[0].op_type}, {len(found)} nodes, opset {domain} {versions.get(domain, '?')})"


def _names_node(text, name):
    """Tell whether a message contains the name of a node.

    Exporters name nodes `1` or `Add`, which are in many messages: such a name must be in quotes, or come after "name".
    A name that is in no message by chance (`/block/Relu`, `Conv_12`) may be anywhere.
    """
    word = rf"{re.escape(name)}(?!\w)"
    told = [rf"""['"`]{re.escape(name)}['"`]""", rf"\b(?i:name):? *{word}"]
    if not name.isdigit():  # a number after "node" is a position
        told.append(rf"\b(?i:node):? *\(?{word}")
    if not name.isalnum():
        told.append(rf"(?<!\w){word}")
    return any(re.search(pattern, text) for pattern in told)


def explain_failed_build(failure: Json, model: "onnx.ModelProto | None") -> BuildError:
    """Return the failure of a build as BuildError, with the node at fault in words if it is known.

    `failure`: the `failure.json` of a converter.
    """
    message = _SCRATCH.sub("", failure["message"])
    kind = classify_failure(message) if failure["kind"] == "conversion_failed" else failure["kind"]
    if model is None:
        return BuildError(kind, message)
    node = next((node for node in iterate_nodes(model.graph.node) if failure["output"] in [*node.output[:1]]), None)
    if node is None:
        return BuildError(kind, f"{message}{locate_failure(message, model)}")
    versions = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    return BuildError(kind, f"{describe_node(node, versions)}: {message}")


def describe_node(node: "onnx.NodeProto", versions: dict[str, int]) -> str:
    """Return the node at which a build failed in words; an unnamed node is described by its first output.

    `versions`: opset by domain.
    """
    domain = node.domain or "ai.onnx"
    named = f"node {node.name!r}" if node.name else f"node that makes {node.output[0] if node.output else '?'!r}"
    return f"{named}, operator {node.op_type}, opset {domain} {versions.get(domain, '?')}"
