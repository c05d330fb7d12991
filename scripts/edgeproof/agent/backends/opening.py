"""The runtimes that the agent can drive, one module each: the only place that knows how to execute an artifact.

A backend has a `name`, a `version`, `import_ns` (time to import the runtime), the execution providers asked for and
used, the `inputs` and `outputs` of the artifact as `[(name, dtype, shape)]` with the source model's names, and three
methods: `bind(feed)` returns a function without arguments that runs one inference and is what is timed; `restore`
brings what that returned into the source model's layout and types; `definition()` says what its "latency" includes.
A backend imports its runtime when it is made, so that the agent runs wherever one of them is.
"""

from ..failures import NoVerdict
from .coreml import CoreMl
from .fake import Fake
from .litert import LiteRt
from .onnxruntime import OnnxRuntime
from .openvino import OpenVino
from .placed import open_placed
from .rknn import Rknn
from .tensorrt import TensorRt
from .torchscript import TorchScript

_BACKENDS = {
    backend.name: backend for backend in (OnnxRuntime, LiteRt, OpenVino, TorchScript, CoreMl, TensorRt, Rknn, Fake)
}
_BACKENDS["placed"] = open_placed


def open_backend(arm):
    """Return the backend of an arm with its artifact loaded; Verdict or NoVerdict when that cannot be."""
    try:
        backend = _BACKENDS[arm["backend"]]
    except KeyError:
        raise NoVerdict("unknown_backend", "this agent has no backend {!r}".format(arm["backend"])) from None
    return backend(arm)
