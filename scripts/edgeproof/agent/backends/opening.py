"""The runtimes that the agent can drive, one module each: the only place that knows how to execute an artifact."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

from ..failures import NoVerdict
from ..processing import Processed
from ..specs import AnyArm, RunnableArm
from .backend import Backend
from .command import Command
from .coreml import CoreMl
from .fake import Fake
from .litert import LiteRt
from .onnxruntime import OnnxRuntime
from .openvino import OpenVino
from .placed import Placement, open_placed
from .rknn import Rknn
from .tensorrt import TensorRt
from .torchscript import TorchScript

_CLASSES = (OnnxRuntime, LiteRt, OpenVino, TorchScript, CoreMl, TensorRt, Rknn, Command, Fake)
_BACKENDS: Dict[str, Callable[[Any], Backend]] = {backend.name: backend for backend in _CLASSES}
_BACKENDS["placed"] = open_placed
_OBSTACLES: Dict[str, Callable[[Any], Optional[str]]] = {
    backend.name: backend.find_obstacle for backend in (*_CLASSES, Placement)
}


def open_backend(arm: RunnableArm) -> Backend:
    """Open the backend of an arm, with its artifact loaded, and return it; Verdict or NoVerdict when that cannot be."""
    try:
        backend = _BACKENDS[arm["backend"]]
    except KeyError:
        raise NoVerdict("unknown_backend", "this agent has no backend {!r}".format(arm["backend"])) from None
    opened, processing = backend(arm), arm.get("processing")
    return Processed(opened, processing) if processing else opened


def find_obstacle(arm: AnyArm) -> Optional[str]:
    """Return why the backend to be opened for an arm cannot be stopped while another process runs; None if it can.

    Only what computes on the CPU can: an accelerator goes on with what it was given, and may hold one model only.
    """
    if arm.get("between_calls"):
        return "another process has the machine between its calls"
    find = _OBSTACLES.get(str(arm.get("backend")))
    return find(arm) if find else "this agent does not know its backend"


def is_simulated(arm: AnyArm) -> bool:
    """Return whether opening an arm's backend opens one that only pretends to run (`fake`, or `placed` over fakes)."""
    known: Any = arm
    if "steps" in known:
        return all(is_simulated(step["arm"]) for step in known["steps"])
    return known.get("backend") == Fake.name or bool(known.get("simulated"))
