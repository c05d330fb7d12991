"""A variant in a process of its own: a runtime that crashes takes that process with it, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from typing import Any, Dict, List, Optional, Sequence, cast

import numpy

from ..agent.specs import Array, Feed, TensorInfo
from .active_model import ModelLost
from .array_frames import read_frame, write_frame

_PACKAGE = __name__.rpartition(".")[0]
_ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * (_PACKAGE.count(".") + 1)))


class IsolatedModel:
    """One model in a child process; it takes one inference at a time. An instance is loaded once.

    `timeout_s`: how long an inference may take; the process is ended then, which is how a runtime that hangs is left.
    """

    def __init__(self, backend: str, options: Optional[Dict[str, Any]] = None, timeout_s: float = 30.0) -> None:
        self._backend, self._options, self._timeout_s = backend, options or {}, timeout_s
        self._turn = threading.Lock()
        self._process: Optional["subprocess.Popen[bytes]"] = None
        self._ended = False
        self._told: Dict[str, Any] = {}
        self.inputs: Sequence[TensorInfo] = ()
        self.outputs: Sequence[TensorInfo] = ()

    def load(self, path: str) -> None:
        """Start the process and wait until it has loaded the file; RuntimeError with its message, or ModelLost."""
        command = [sys.executable, "-m", _PACKAGE + ".model_process", self._backend, path, json.dumps(self._options)]
        paths = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))
        environment = dict(os.environ, PYTHONPATH=paths)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._process = process
        if self._ended:  # unloaded meanwhile
            self.unload()
        try:
            told, _ = self._read()
            if "error" in told:
                raise RuntimeError(told["error"])
        except BaseException:
            self.unload()
            raise
        self.inputs = [(name, dtype, shape) for name, dtype, shape in told["inputs"]]
        self.outputs = [(name, dtype, shape) for name, dtype, shape in told["outputs"]]
        self._told = told

    @property
    def pid(self) -> int:
        """The number of the process; ModelLost without one."""
        process = self._process
        if process is None:
            raise ModelLost("the model's process is gone")
        return process.pid

    def infer(self, x: Any) -> Any:
        """Return what the model makes of `x`, as `LoadedModel.infer` does."""
        if isinstance(x, dict):
            feed = cast(Feed, x)
            return dict(zip([name for name, _, _ in self.outputs], self.run(feed)))
        outputs = self.run({self.inputs[0][0]: numpy.asarray(x)})
        return outputs[0] if len(outputs) == 1 else outputs

    def run(self, feed: Feed) -> List[Array]:
        """Return the outputs of one inference; ModelLost where the process is gone, RuntimeError where it failed."""
        with self._turn:
            process = self._process
            if process is None or process.stdin is None:
                raise ModelLost("the model's process is gone")
            limit = threading.Timer(self._timeout_s, process.kill)
            limit.daemon = True
            limit.start()
            try:
                write_frame(process.stdin, {"names": list(feed)}, list(feed.values()))
                answer, outputs = self._read()
            except OSError:
                raise ModelLost(self._describe_end()) from None
            finally:
                limit.cancel()
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return outputs

    def unload(self) -> None:
        """End the process. Safe to call at any time, also while it loads."""
        self._ended = True
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not written yet has no reader any more
                    stream.close()

    def is_loaded(self) -> bool:
        """Return whether the process is there and has loaded."""
        process = self._process
        return bool(self._told) and process is not None and process.poll() is None

    def capabilities(self) -> Dict[str, Any]:
        """Return what EdgeAdapt asks of a backend."""
        return {**self._told.get("capabilities", {}), "supports_concurrent_infer": False}

    def read_resident_mb(self) -> Optional[float]:
        """Return what the process holds now, in MiB; None where nothing tells."""
        process = self._process
        try:
            with open("/proc/{}/status".format(process.pid if process else ""), encoding="ascii") as stream:
                found = [line.split()[1] for line in stream if line.startswith("VmRSS:")]
        except OSError:
            return None
        return int(found[0]) / 1024 if found else None

    def _read(self) -> Any:
        process = self._process
        if process is None or process.stdout is None:
            raise ModelLost("the model's process is gone")
        try:
            return read_frame(process.stdout)
        except (EOFError, ValueError):  # closed by `unload`, or cut
            raise ModelLost(self._describe_end()) from None

    def _describe_end(self) -> str:
        process = self._process
        code = None if process is None else process.wait()
        return "the model's process has ended" + ("" if code is None else " with exit code {}".format(code))
