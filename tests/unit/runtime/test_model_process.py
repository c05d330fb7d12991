"""The process of an isolated model ends with the one that asks it, whatever its runtime does."""

import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.runtime.array_frames import write_frame

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.mark.parametrize("hangs", ["load", "run"])
def test_a_runtime_that_hangs_ends_with_the_server(hangs):
    program = f"""
import json, sys, time
sys.path.insert(0, {str(SCRIPTS)!r})
from edgeproof.runtime import model_process
class Model:
    inputs = outputs = ()
    def __init__(self, *_): pass
    def load(self, _): {"hang()" if hangs == "load" else "pass"}
    def capabilities(self): return {{}}
    def run(self, _): hang()
def hang():
    print("hanging", file=sys.stderr, flush=True)
    time.sleep(600)
model_process.LoadedModel = Model
model_process._main(["fake", "file", "{{}}"])
"""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        if hangs == "run":
            write_frame(process.stdin, {"names": []}, [])
        assert process.stderr.readline() == b"hanging\n"
        process.stdin.close()
        try:
            assert process.wait(30) == 1
        finally:
            process.kill()
