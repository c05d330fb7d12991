"""The cost of a conversion: seconds and peak memory of our builds, and of the same conversions written by hand.

Both run as fresh processes, in turns, so that a busy minute of the machine affects both. Ours is the script that the
rule runs, with its checks and its manifest; the other side is `conversions_by_hand`.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.artifacts.builds.converter_process import ENVIRONMENT
from edgeproof.artifacts.records.formats import select_build_options
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import source_folder, toolchain_interpreter, toolchain_record

from .bench_machine import describe_bench_machine
from .conversions_by_hand import list_steps

TARGET = 1.15
_LEAST_SECONDS, _MOST_REPEATS = 8, 15
SCRIPTS = {"onnx": "build_onnx", "openvino.zip": "build_openvino"}  # all others: build_converted


def measure_conversions(
    wanted: dict[str, Sequence[str]], repeats: int, tell: Callable[[str], object] = lambda line: None
) -> Json:
    """Return the cost of conversions, the `bench-convert` document; `wanted`: {model: presets}.

    `tell` is called with a line per case. `repeats`: the least number per case; short ones are repeated more often.
    Presets whose toolchain is missing, or that convert nothing, are listed under `left_out` with the reason.
    """
    cases, left_out = [], []
    for model, presets in wanted.items():
        found = _measure_model(model, presets, repeats, tell)
        cases, left_out = cases + found[0], left_out + found[1]
    return {
        "schema": "edgeproof.bench-convert.v1",
        "machine": describe_bench_machine(),
        "repeats": repeats,
        "target_ratio": TARGET,
        "cases": cases,
        "left_out": left_out,
    }


def _measure_model(model, presets, repeats, tell):
    catalogue = read_catalogue("preset")
    if unknown := sorted(set(presets) - set(catalogue)):
        raise UserError(f"--presets: {unknown[0]!r} is not in config/presets/")
    folder = Path(source_folder(model))
    for name in ("model.onnx", "identity.json", "samples/calibration.npz"):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: is missing; make it with `snakemake --profile local {folder / name}`")
    cases, left_out = [], []
    wanted = [(name, precision) for name in presets for precision in catalogue[name]["precisions"]]
    if any(catalogue[name]["artifact"] in ("tflite", "mlpackage.zip") for name in presets):
        wanted.insert(0, ("saved_model", "fp32"))
    with tempfile.TemporaryDirectory(prefix="edgeproof-bench-") as scratch:
        for preset, precision in wanted:
            document = catalogue.get(preset, {"artifact": "saved_model", "toolchain": "tensorflow"})
            reason = _find_obstacle(model, document, precision)
            if reason:
                left_out.append({"model": model, "preset": preset, "precision": precision, "reason": reason})
                tell(f"{model} {preset} {precision}: left out, {reason}")
                continue
            cases.append(_measure_case(model, preset, document, precision, repeats, Path(scratch)))
            tell(_describe_case(cases[-1]))
    return cases, left_out


def _describe_case(case: Json) -> str:
    """Return one line about a case."""
    verdict = "met" if case["met"] else "MISSED"
    return (
        f"{case['model']} {case['preset']} {case['precision']}: {case['seconds']:.2f} s,"
        f" by hand {case['seconds_by_hand']:.2f} s,"
        f" ratio {case['ratio']:.2f} (target {TARGET}: {verdict});"
        f" {case['memory_peak_bytes'] / 1e6:.0f} MB, by hand {case['memory_peak_bytes_by_hand'] / 1e6:.0f} MB"
    )


def _find_obstacle(model, document, precision):
    if list_steps(document["artifact"], precision) is None:
        return "nothing is converted" if document["artifact"] == "onnx" else "it is not written by hand yet"
    toolchain = document.get("toolchain")
    if toolchain and not (Path(toolchain_record(toolchain)).is_file() and _interpreter(toolchain).is_file()):
        return f"the toolchain {toolchain} is not there"
    if document["artifact"] in ("tflite", "mlpackage.zip") and not _saved_model(model).is_file():
        return f"{_saved_model(model)} is not there"
    return None


def _measure_case(model, preset, document, precision, repeats, scratch):
    source, kind = Path(source_folder(model)).resolve(), document["artifact"]
    origin = source / "model.onnx"
    if kind in ("tflite", "mlpackage.zip"):
        origin = scratch / "saved_model"
        if not origin.is_dir():
            with zipfile.ZipFile(_saved_model(model)) as archive:
                archive.extractall(origin)
    ours, hand = [], []
    number = 0
    while number < repeats:
        place = scratch / f"{preset}-{precision}-{number}"
        (place / "ours").mkdir(parents=True)
        ours.append(_run(_compose_ours(model, preset, document, precision, place / "ours"), Path.cwd()))
        _require_built(place / "ours", preset, precision)
        (place / "hand").mkdir()
        taken, calibration = origin, source / "samples/calibration.npz"
        seconds, memory = 0.0, 0
        for index, (where, program) in enumerate(list_steps(kind, precision) or ()):
            python = sys.executable if where == "host" else str(_interpreter(document["toolchain"]).absolute())
            if index == 0 and kind == "saved_model":  # onnx2tf rewrites the file that it reads
                taken = shutil.copyfile(origin, place / "hand" / "copy.onnx")
            made = place / "hand" / f"made-{index}"
            step = _run([python, "-c", program, str(taken), str(calibration), str(made)], place / "hand")
            seconds, memory, taken = seconds + step[0], max(memory, step[1]), made
        hand.append((seconds, memory))
        shutil.rmtree(place)
        number += 1
        if number == 1:  # short cases are repeated more often: the median of three would be mostly noise
            repeats = max(repeats, min(_MOST_REPEATS, int(_LEAST_SECONDS / (ours[0][0] + hand[0][0]))))
    middle = [statistics.median(seconds for seconds, _ in runs) for runs in (ours, hand)]
    ratio = middle[0] / middle[1]
    return {
        "model": model,
        "preset": preset,
        "precision": precision,
        "seconds": middle[0],
        "seconds_by_hand": middle[1],
        "seconds_added": middle[0] - middle[1],
        "ratio": ratio,
        "met": ratio <= TARGET,
        "memory_peak_bytes": max(memory for _, memory in ours),
        "memory_peak_bytes_by_hand": max(memory for _, memory in hand),
        "seconds_all": [seconds for seconds, _ in ours],
        "seconds_by_hand_all": [seconds for seconds, _ in hand],
    }


def _compose_ours(model, preset, document, precision, place):
    source = source_folder(model)
    common = {"source": f"{source}/model.onnx", "identity": f"{source}/identity.json"}
    if preset == "saved_model":
        script = "build_saved_model"
        options = {**common, "artifact": place / "artifact", "record": place / "manifest.json"}
    else:
        script = SCRIPTS.get(document["artifact"], "build_converted")
        cell = {"model": model, "preset": preset, "builder": "host", "precision": precision}
        options = {
            "cell": json.dumps(cell),
            **common,
            "preset": json.dumps(select_build_options(document, precision)),
            "precision": precision,
            "artifact": place / "artifact",
            "manifest": place / "manifest.json",
        }
        if precision == "int8":
            options["calibration"] = f"{source}/samples/calibration.npz"
        if document["artifact"] in ("tflite", "mlpackage.zip"):
            options["saved-model"] = _saved_model(model).with_suffix(".json")
    if "toolchain" in document:
        options |= {"toolchain": toolchain_record(document["toolchain"]), "log": place / "converter.log"}
    return [
        sys.executable,
        f"scripts/{script}.py",
        *(str(part) for item in options.items() for part in (f"--{item[0]}", item[1])),
    ]


def _require_built(place, preset, precision):
    document = json.loads((place / "manifest.json").read_text())
    if document["status"] != "ok":
        raise UserError(f"{preset} {precision}: the build failed ({document['reason']['message']}); nothing to compare")


def _run(command, folder):
    """Run a command and return (seconds, peak resident bytes of its largest process); UserError when it fails."""
    environment = {**os.environ, **ENVIRONMENT}  # otherwise tools choose kernels by the processor, or look for a GPU
    environment.pop(
        "PYTHONDONTWRITEBYTECODE", None
    )  # otherwise every start compiles our modules, which would count against us
    environment["PATH"] = os.pathsep.join([str(Path(command[0]).parent), environment.get("PATH", os.defpath)])
    with tempfile.TemporaryFile() as log:
        begin = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            last = log.read().decode("utf-8", "replace").strip()[-500:]
            raise UserError(f"{' '.join(command[:2])}: exited with {process.returncode}: {last}")
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _saved_model(model):
    return Path(f"results/artifacts/{model}/saved_model/saved_model.zip")


def _interpreter(toolchain):
    return Path(toolchain_interpreter(toolchain))
