"""The runtimes that the agent can drive, one module each: the only place that knows how to execute an artifact."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ..failures import NoVerdict
from ..specs import RunnableArm
from .backend import Backend
from .coreml import CoreMl
from .fake import Fake
from .litert import LiteRt
from .onnxruntime import OnnxRuntime
from .openvino import OpenVino
from .placed import open_placed
from .rknn import Rknn
from .tensorrt import TensorRt
from .torchscript import TorchScript

_BACKENDS: Dict[str, Callable[[Any], Backend]] = {
    backend.name: backend for backend in (OnnxRuntime, LiteRt, OpenVino, TorchScript, CoreMl, TensorRt, Rknn, Fake)
}
_BACKENDS["placed"] = open_placed


def open_backend(arm: RunnableArm) -> Backend:
    """Return the backend of an arm with its artifact loaded; Verdict or NoVerdict when that cannot be."""
    try:
        backend = _BACKENDS[arm["backend"]]
    except KeyError:
        raise NoVerdict("unknown_backend", "this agent has no backend {!r}".format(arm["backend"])) from None
    return backend(arm)
