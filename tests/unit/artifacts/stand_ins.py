"""Executable stand-ins for the vendors' tools: small scripts on the PATH that replay what the tools say."""

import json
import stat
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"
MODULES = DATA / "stand_ins"  # Python modules tensorrt, rknn.api and rknnlite.api
ENGINE = b"ENGINE"  # what the engines of the stand-in begin with; the ONNX file follows

# A first line `#!{python}` would break where the path of the interpreter has a space; sh and Python both read this.
_TRTEXEC = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import json, os, pathlib, sys, time
replay = json.loads({replay!r})
with open(replay["calls"], "a") as stream:
    stream.write(json.dumps(sys.argv) + "\\n")
print("&&&& RUNNING TensorRT.trtexec [TensorRT v" + replay["version"] + "] # trtexec", flush=True)
if "--help" in sys.argv:
    print("=== Model Options ===")
    sys.exit(0)
options = dict(part.split("=", 1) for part in sys.argv[1:] if "=" in part)
time.sleep(replay["sleep"])
print(replay["log"])
if replay["engine"] is not None:
    model = pathlib.Path(options["--onnx"]).read_bytes()
    pathlib.Path(options["--saveEngine"]).write_bytes(replay["engine"].encode() + model if replay["engine"] else b"")
if replay["layers"] is not None:
    pathlib.Path(options["--exportLayerInfo"]).write_text(json.dumps(replay["layers"]))
sys.exit(replay["code"]) if replay["code"] >= 0 else os.kill(os.getpid(), -replay["code"])
"""


def read_log(name):
    """Return the recorded output of a tool."""
    return (DATA / "tools" / f"{name}.log").read_text()


def describe_layers(dtype, count=2):
    """Return what trtexec exports of an engine that computes in one type ("FP32", "Half", "Int8")."""
    words = f"Row major linear {dtype} format" if dtype.isupper() else dtype
    layer = {
        "LayerType": "CaskConvolution",
        "Outputs": [{"Name": "a", "Dimensions": [1, 8, 6, 6], "Format/Datatype": words}],
        "Weights": {"Type": dtype, "Count": 72},
    }
    reformat = {"LayerType": "Reformat", "Outputs": [{"Name": "b", "Format/Datatype": "Row major linear FP32"}]}
    return {"Layers": [layer] * count + [reformat], "Bindings": ["image", "logits"]}


def write_trtexec(folder, version="100300", log="trtexec-built", code=0, engine=ENGINE, layers="Half", sleep=0):
    """Write a `trtexec` into a folder and return the path of the file that lists its calls.

    `engine`: None for no file, else the bytes that go before the ONNX file. `layers`: type that the engine computes in,
    or what is exported as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replay = {
        "version": version,
        "log": read_log(log),
        "code": code,
        "engine": None if engine is None else engine.decode(),
        "layers": describe_layers(layers) if isinstance(layers, str) else layers,
        "sleep": sleep,
        "calls": str(folder / "calls"),
    }
    path = folder / "trtexec"
    path.write_text(_TRTEXEC.format(python=sys.executable, replay=json.dumps(replay)))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder / "calls"


def write_interpreter(path, **environment):
    """Write a Python that has the vendors' modules (stand-ins for them), and return its path."""
    settings = " ".join(f"{name}='{value}'" for name, value in environment.items())
    path.write_text(f'#!/bin/sh\nexport {settings} PYTHONPATH="$PYTHONPATH:{MODULES}"\nexec "{sys.executable}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)
