"""What the doctor says of Pythons and runtimes: each is imported in a process of its own, because some crash there."""

import dataclasses
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from edgeproof.core.configuration import Json, NamedDevice
from edgeproof.core.layout import toolchain_interpreter, toolchain_record
from edgeproof.core.processes import child_environment

from .findings import Finding

# Of each backend: the module that its wheel brings, and how to get it where no toolchain of ours has it.
_MODULES = {
    "onnxruntime": ("onnxruntime", "{python} -m pip install onnxruntime"),
    "litert": ("ai_edge_litert.interpreter", "{python} -m pip install ai-edge-litert"),
    "openvino": ("openvino", "{python} -m pip install openvino"),
    "torchscript": ("torch", "{python} -m pip install torch"),
    "tensorrt": ("tensorrt", "sudo apt-get install python3-libnvinfer, and interpreter: /usr/bin/python3 in {file}"),
    "rknn": ("rknnlite.api", "{python} -m pip install rknn-toolkit-lite2"),
}
_TIMEOUT_S = 60
_OLDEST = (3, 8)
_DESCRIBING = """
import importlib.util, json, sys
def has(name):
    try: return importlib.util.find_spec(name) is not None
    except ImportError: return False
print(json.dumps({"version": list(sys.version_info[:3]), "has": [name for name in sys.argv[1:] if has(name)]}))
"""
_IMPORTING = """
import json
import {module} as module
import {package} as package
providers = getattr(module, "get_available_providers", list)()
print(json.dumps({{"version": str(getattr(package, "__version__", "") or ""), "providers": providers}}))
"""


def inspect_runtimes(device: NamedDevice, presets: Mapping[str, Json], root: Path) -> Iterator[Finding]:
    """Yield the doctor's findings on runtimes: whether the device's Python runs, and which runtimes it and our
    toolchains can import.

    `root`: the folder that has `.toolchains/`.
    """
    python = device.get("interpreter") or sys.executable
    found = _describe_python(python)
    file = f"config/devices/{device['name']}.yaml"
    judged = _judge_python(python, found, file)
    yield judged
    loadable: list[str] = []
    for backend, (module, remedy) in _MODULES.items() if judged.state == "good" else ():
        toolchain = None if device.get("interpreter") else _toolchain_of(backend, presets)
        if toolchain:
            finding = _inspect_toolchain(backend, module, toolchain, root)
        elif module.split(".")[0] in cast(Json, found)["has"]:
            finding = _import_runtime(backend, module, python)
        else:
            finding = Finding("runtimes", backend, "absent", "not installed")
        if finding.state == "good":
            loadable.append(backend)
        else:
            made = f"snakemake --profile local {toolchain_record(toolchain)}" if toolchain else None
            told = made or remedy.format(python=shlex.quote(python), file=file)
            finding = dataclasses.replace(finding, remedy=told)
        yield finding
    if not loadable:
        text = "no runtime can be imported, so nothing can be measured"
        yield Finding("runtimes", "any of them", "bad", text, f"{shlex.quote(python)} -m pip install onnxruntime")


def _toolchain_of(backend: str, presets: Mapping[str, Json]) -> str | None:
    names = (preset.get("runtime_toolchain") for preset in presets.values() if preset["backend"] == backend)
    return next(filter(None, names), None)


def _describe_python(python: str) -> Json | str:
    """Return {version, has} of an interpreter, or why it does not run."""
    modules = ["numpy", *(module.split(".")[0] for module, _ in _MODULES.values())]
    try:
        ended = _run(python, _DESCRIBING, *modules)
    except OSError as error:
        return f"cannot be started ({error.strerror})"
    except subprocess.TimeoutExpired:
        return f"says nothing within {_TIMEOUT_S} s"
    return json.loads(ended.stdout) if ended.returncode == 0 else _last_line(ended)


def _judge_python(python: str, found: Json | str, file: str) -> Finding:
    if isinstance(found, str):
        return Finding("runtimes", "interpreter", "bad", f"{python}: {found}", f"correct interpreter in {file}")
    version = tuple(found["version"])
    text = f"{python}, Python {'.'.join(map(str, version))}"
    if version < _OLDEST:
        text = f"{text}: the agent needs 3.8 or newer"
        return Finding("runtimes", "interpreter", "bad", text, f"name another interpreter in {file}")
    if "numpy" not in found["has"]:
        return Finding(
            "runtimes", "interpreter", "bad", f"{text}, without numpy", f"{shlex.quote(python)} -m pip install numpy"
        )
    return Finding("runtimes", "interpreter", "good", text)


def _inspect_toolchain(backend: str, module: str, toolchain: str, root: Path) -> Finding:
    interpreter = root / toolchain_interpreter(toolchain)
    if not interpreter.exists():
        return Finding("runtimes", backend, "absent", f"the toolchain {toolchain} is not made yet")
    found = _import_runtime(backend, module, str(interpreter))
    return dataclasses.replace(found, text=f"{found.text}, in the toolchain {toolchain}")


def _import_runtime(backend: str, module: str, interpreter: str) -> Finding:
    """Import a runtime in the interpreter that would run it; a wheel for another CPU dies at that moment."""
    try:
        ended = _run(interpreter, _IMPORTING.format(module=module, package=module.split(".")[0]))
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("runtimes", backend, "bad", f"{interpreter}: {error}")
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        why = ": this CPU lacks instructions that the wheel was built for" if name == "SIGILL" else ""
        return Finding("runtimes", backend, "bad", f"importing {module} ends the process with {name}{why}")
    if ended.returncode:
        return Finding("runtimes", backend, "bad", _last_line(ended))
    told = json.loads(ended.stdout.splitlines()[-1])
    listed = f"; its build lists {', '.join(told['providers'])}, which a run has to prove" if told["providers"] else ""
    return Finding("runtimes", backend, "good", f"{told['version'] or 'version unknown'}{listed}")


def _run(python: str, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-c", program, *arguments], env=child_environment(python), capture_output=True, text=True,
        errors="replace", timeout=_TIMEOUT_S, check=False,
    )  # fmt: skip


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = ended.stderr.strip().splitlines()
    return lines[-1][:300] if lines else f"exit code {ended.returncode}"
