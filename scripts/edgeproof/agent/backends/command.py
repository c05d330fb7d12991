"""A program of the user's own that loops by itself: it loads the artifact, and times every call that it is asked for.

Both sides write lines of JSON. The program's standard output first says `{"ready": true}`, perhaps with its `version`;
then it answers what comes on its standard input, and ends when that ends:

    {"block": [0, 1, 0]}      it runs these inputs in this order and answers {"ns": [81000, 79000, 80500]}
    {"outputs": "x.npz"}      it writes the outputs of input 0 there, as arrays `outputs/NAME`, and answers {}

Lines that begin with anything but `{` are the program's own affair.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import time
from typing import Any, Dict, List, Optional, Sequence, cast

import numpy

from ..children import end_child
from ..failures import NoVerdict, Verdict
from ..memory import peak_memory_bytes
from ..messages import tell
from ..specs import Arm, Array, Call, Definition, Feed, Outputs
from ..tied_processes import open_tied
from .backend import Backend
from .definitions import define_latency

_BOUNDARY = "one inference as the user's own program times it"
_TIMEOUT_S = 600.0


class Command(Backend):
    """Options: command (split as a shell splits it; no shell runs it), working_directory, extra_env, timeout_s (of one
    answer), execution_provider (what the program says it uses; anything but the CPU is measured as whole processes).
    """

    name = "command"
    version = "unknown"
    import_ns = 0

    def __init__(self, arm: Arm) -> None:
        self._arm, self._options = arm, arm["runtime"]
        self.provider_requested = self._options.get("execution_provider", "CPUExecutionProvider")
        self.providers_used = [self.provider_requested]
        self.inputs, self.outputs = [], []
        self.looper = self
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._said = b""

    @classmethod
    def find_obstacle(cls, arm: Arm) -> Optional[str]:
        provider = arm["runtime"].get("execution_provider", "CPUExecutionProvider")
        return None if provider == "CPUExecutionProvider" else "{} runs on an accelerator".format(provider)

    def begin(self, inputs: str, protocol: Any) -> None:
        """Start the program on a samples file and wait until it is ready."""
        variables = dict(os.environ)
        for ours in ("PYTHONPATH", "PYTHONNOUSERSITE"):  # which let the agent find itself
            variables.pop(ours, None)
        variables.update(self._options.get("extra_env", {}))
        variables.update(_compose_variables(self._arm, inputs, protocol))
        words = shlex.split(self._options["command"])
        try:
            self._process = open_tied(
                words,
                cwd=self._options.get("working_directory"),
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            named = error.filename or words[0]
            raise NoVerdict("runtime_missing", "{}: cannot be started ({})".format(named, error.strerror)) from error
        ready = self._receive()
        if ready.get("ready") is not True:
            raise self._malformed(ready, '{"ready": true}')
        self.version = str(ready.get("version", self.version))

    def time_block(self, inputs: Sequence[int]) -> Array:
        """Return the nanoseconds, int64, that the program says each of these calls took."""
        process = self._running()
        os.killpg(process.pid, signal.SIGCONT)
        answer: object = self._ask({"block": list(inputs)}).get("ns")
        times: List[Any] = cast("List[Any]", answer) if isinstance(answer, list) else []
        if len(times) != len(inputs) or not all(type(item) is int and item > 0 for item in times):
            raise self._malformed(cast(object, answer), "`ns`: one positive integer per input")
        os.killpg(process.pid, signal.SIGSTOP)  # its threads, which may spin, cost nobody else anything
        return numpy.array(times, "int64")

    def write_outputs(self, path: str) -> None:
        """Have the program write the outputs of the first input to an npz file."""
        os.killpg(self._running().pid, signal.SIGCONT)
        self._ask({"outputs": os.path.abspath(path)})
        if not os.path.exists(path):
            raise NoVerdict("malformed_answer", "the program wrote no {}".format(path))

    def peak_memory(self) -> int:
        """Return the peak resident memory of the program, in bytes."""
        return peak_memory_bytes(self._running().pid)

    def end(self) -> None:
        """End the program; may be called again."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # a script that starts the program is its parent
            end_child(self._process)

    def bind(self, feed: Feed) -> Call:
        raise NoVerdict("cannot_infer", "a command times its own calls; it computes no outputs on demand")

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        return define_latency(_BOUNDARY, 0, False)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise NoVerdict("agent_error", "the program was not started")
        return self._process

    def _ask(self, request: Dict[str, Any]) -> Dict[str, Any]:
        stream = self._running().stdin
        assert stream
        try:
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
        except BrokenPipeError:
            raise self._explain_end() from None
        return self._receive()

    def _receive(self) -> Dict[str, Any]:
        """Return the next object that the program writes; a Verdict when it ends or takes too long."""
        stream = self._running().stdout
        assert stream
        limit = float(self._options.get("timeout_s", _TIMEOUT_S))
        until = time.monotonic() + limit
        while True:
            line, newline, rest = self._said.partition(b"\n")
            if newline:
                self._said = rest
                if line.startswith(b"{"):
                    return self._parse(line)
                tell(line.decode("utf-8", "replace"))
                continue
            if not select.select([stream], [], [], max(0.0, until - time.monotonic()))[0]:
                raise Verdict("timed_out", "the program gave no answer within {:g} s".format(limit))
            data = os.read(stream.fileno(), 65536)
            if not data:
                raise self._explain_end()
            self._said += data

    def _parse(self, line: bytes) -> Dict[str, Any]:
        try:
            return cast("Dict[str, Any]", json.loads(line))
        except ValueError:
            raise self._malformed(line.decode("utf-8", "replace"), "a line of JSON") from None

    def _malformed(self, found: object, wanted: str) -> NoVerdict:
        message = "the program answered {!r:.200}, and {} was asked for".format(found, wanted)
        return NoVerdict("malformed_answer", message)

    def _explain_end(self) -> Verdict:
        code = self._running().wait()
        how = "by {}".format(signal.Signals(-code).name) if code < 0 else "with exit code {}".format(code)
        return Verdict("crashed", "the program ended {}".format(how))


def _compose_variables(arm: Any, inputs: str, protocol: Any) -> Dict[str, str]:
    """Return the variables of EdgeEnv's contract; what to run, and how often, comes line by line.

    EDGEPROOF_INPUTS is ours: the npz file whose arrays `inputs/NAME` have one input per row.
    """
    options = arm["runtime"]
    variables = {
        "MODEL_PATH": os.path.abspath(arm["artifact"]),
        "RUNTIME": "command",
        "EXECUTION_PROVIDER": options.get("execution_provider", "CPUExecutionProvider"),
        "PRECISION": arm["precision"],
        "BATCH_SIZE": "1",
        "WARMUP_RUNS": str(protocol["warmup_runs"]),
        "REPEAT_RUNS": str(protocol["min_samples"]),
        "INCLUDE_PREPROCESS": "false",
        "INCLUDE_POSTPROCESS": "false",
    }
    variables.update(arm.get("variables", {}))
    named = {"EDGEENV_" + name: value for name, value in variables.items()}
    return dict(named, EDGEPROOF_INPUTS=os.path.abspath(inputs))
