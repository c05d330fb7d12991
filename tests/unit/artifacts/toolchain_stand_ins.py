"""Executables that stand in for uv and for the Python of a toolchain: a unit test installs no environment."""

import json
import os
import sys
from pathlib import Path

from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal

# A first line `#!{python}` would break where the path of the interpreter has a space; sh and Python both read these.
# What uv would do, less the packages: a folder with an interpreter, and a note of every call.
UV = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import base64, hashlib, os, sys, time
with open({calls!r}, "a") as stream:
    stream.write(" ".join(sys.argv[1:]) + "\\n")
if {fail!r} and {fail!r} in sys.argv:
    print("error: hash mismatch for\\n  numpy==1.0", file=sys.stderr)
    sys.exit(2)
if sys.argv[1] == "venv":
    time.sleep(0.05)
    os.makedirs(sys.argv[-1] + "/bin", exist_ok=True)
    open(sys.argv[-1] + "/CACHEDIR.TAG", "w").write("made by uv")
    link = sys.argv[-1] + "/bin/python"
    if not os.path.lexists(link):
        os.symlink({python!r}, link)
if sys.argv[1] == "pip":
    folder, rows = os.path.dirname(os.path.dirname(sys.argv[-2])), []
    for name, text in {files!r}.items():
        place = os.path.join(folder, name)
        packages = os.path.join(folder, "lib/python3.11/site-packages")
        record = os.path.join(packages, "tiny-1.0.dist-info")
        for made in (os.path.dirname(place), record):
            os.makedirs(made, exist_ok=True)
        with open(place, "w") as stream:
            stream.write({poison!r} or text)
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        rows.append(os.path.relpath(place, packages) + ",sha256=" + digest + "," + chr(10))
        with open(os.path.join(record, "RECORD"), "w") as stream:
            stream.write("".join(rows) + "tiny-1.0.dist-info/RECORD,," + chr(10))
"""

# What the interpreter of a toolchain would do with a converter: leave in OUT what `script` says.
PYTHON = """#!/bin/sh
'''exec' "{python}" "$0" "$@"
' '''
import json, os, pathlib, sys
name, spec, out = sys.argv[3], json.load(sys.stdin), pathlib.Path(sys.argv[5])
assert sys.argv[1:3] == ["-m", "edgeproof.converters"]
assert pathlib.Path.cwd() == out.resolve() and os.environ["PYTHONHASHSEED"] == "0"
assert os.environ["PATH"].split(os.pathsep)[0] == os.path.dirname(os.path.abspath(sys.argv[0]))
pathlib.Path({seen!r}).write_text(json.dumps({{"converter": name, "spec": spec}}))
print("converting", flush=True)
{script}
"""


def install_uv(folder, fail="", files=None, poison=""):
    """Write a stand-in for uv; return its path. Every call becomes a line of `uv-calls` beside it.

    `files`: what the one package that it installs has, by place in the environment. `poison`: what its cache has
    instead.
    """
    path = Path(folder) / "uv"
    options = {"calls": str(path.with_name("uv-calls")), "fail": fail, "files": files or {}, "poison": poison}
    path.write_text(UV.format(python=sys.executable, **options))
    path.chmod(0o755)
    return path


def install_toolchain(root, name, script, packages):
    """Put a toolchain into `root` whose interpreter runs `script`; return the path of its record."""
    lock = root / "envs" / f"{name}.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text(f"# {name}\n")
    interpreter = root / ".toolchains" / name / "bin" / "python"
    interpreter.parent.mkdir(parents=True, exist_ok=True)
    interpreter.write_text(PYTHON.format(python=sys.executable, seen=str(root / "seen.json"), script=script))
    os.chmod(interpreter, 0o755)
    digest = sha256_file(lock)
    record = {
        "schema": "edgeproof.toolchain.v2",
        "toolchain": name,
        "lock": {"file": f"envs/{name}.lock", "sha256": digest},
        "interpreter": {
            "file": f".toolchains/{name}/bin/python",
            "implementation": "CPython",
            "version": "3.11.7",
            "machine": "x86_64",
            "system": "Linux",
        },
        "packages": packages,
        "bytes": 1,
        "command": ["test"],
        "duration_s": 0.0,
        "made_at": "2026-01-01T00:00:00Z",
    }
    stamp = {"lock_sha256": digest, "distributions": [], **{key: record[key] for key in ("interpreter", "packages")}}
    (root / ".toolchains" / name / "edgeproof.json").write_text(json.dumps(stamp))
    path = root / "results" / "toolchains" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(seal(record)))
    return path
