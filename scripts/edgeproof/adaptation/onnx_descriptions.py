"""What ONNX Runtime says of a file: the verb `inspect-model`."""

from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError


def describe_onnx(path: str) -> Json:
    """Return the description of an ONNX file by ONNX Runtime: inputs, outputs, providers.

    UserError if it cannot be loaded.
    """
    import onnxruntime

    session = _open_session(path)
    return {
        "path": path,
        "inputs": [{"name": item.name, "type": item.type, "shape": item.shape} for item in session.get_inputs()],
        "outputs": [{"name": item.name, "type": item.type, "shape": item.shape} for item in session.get_outputs()],
        "providers_available": onnxruntime.get_available_providers(),
        "provider_options": session.get_provider_options(),
    }


def _open_session(path: str) -> Any:
    import onnxruntime

    try:
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"{path}: cannot be loaded: {shorten_error(error)}") from error


def shorten_error(error: Exception) -> str:
    """Return ONNX Runtime's exception as the description of an ONNX file has it: one line, at most 300 characters."""
    return " ".join(str(error).split())[:300]
