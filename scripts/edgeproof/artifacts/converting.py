"""Builds in a toolchain: the converter runs there as a process, the record of it is written here.

A converter (`edgeproof.converters`) gets a JSON of options and a folder, and leaves an artifact with facts about it, or
why there is none. Everything else is as in a build for ONNX Runtime.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from ..core.documents import read_json, write_json
from ..core.errors import UserError
from ..core.files import atomic_write, sha256_file
from ..sources.onnx_files import iterate_nodes, load_model
from .calibration import LEAST_SAMPLES, CalibrationStream
from .conversion import TOOLS, convert_onnx
from .failures import BuildError, classify_failure, describe_node, locate_failure
from .jobs import carry_out, check_job
from .manifests import describe_file, describe_lock, describe_toolchain, locate, now
from .precision import judge_counts, require_precision
from .toolchains import open_toolchain

SCRIPTS = Path(__file__).resolve().parents[2]
_CALIBRATED = {"calibration_method", "calibration_samples", "per_channel"}


class Format(NamedTuple):
    """A kind of artifact: its converter, what it is made of (`saved_model` or `onnx`), and what must be true of it.

    `options`: per precision, the build options it uses. `quantisers`: per precision, the operator that only quantised
    activations need. `packages`: those of the toolchain that a manifest names.
    """

    converter: str
    origin: str
    options: dict
    quantisers: dict
    packages: tuple


FORMATS = {
    "tflite": Format(
        "tflite",
        "saved_model",
        {
            "fp32": set(),
            "fp16": set(),
            "int8": {"calibration_method", "calibration_samples", "quantised_io"},
            "int8-dynamic": set(),
        },
        {},
        ("tensorflow", "numpy", "ai-edge-litert"),
    ),
    "mlpackage.zip": Format(
        "coreml",
        "saved_model",
        {"fp32": set(), "fp16": set(), "int8-weights": set()},
        {},
        ("coremltools", "tensorflow", "numpy"),
    ),
    "openvino.zip": Format(
        "openvino",
        "onnx",
        {"fp32": set(), "fp16": set(), "int8": _CALIBRATED},
        {"int8": "FakeQuantize"},
        ("openvino", "numpy"),
    ),
    "pt": Format("torchscript", "onnx", {"fp32": set()}, {}, ("torch", "onnx2torch", "torchvision", "onnx", "numpy")),
}
_ONNX2TF = ("onnx2tf", "tensorflow", "onnx", "numpy")
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # names inside the artifacts follow the order of sets
    "CUDA_VISIBLE_DEVICES": "-1",  # what a GPU would compute is not what another machine would
    "TF_ENABLE_ONEDNN_OPTS": "0",  # likewise for kernels chosen by the kind of processor
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_USE_LEGACY_KERAS": "1",
}


def build_saved_model(source, identity, toolchain, artifact, record, log, command):
    """Convert the ONNX file `source` to a SavedModel, packed as `artifact`, and write its `record`.

    `toolchain`: path of the toolchain's record. `log`: what the converter said. A model that cannot be converted has an
    empty artifact and a record with a reason; whoever builds on it passes that reason on.
    """
    begin, known, digest = time.monotonic(), read_json(identity, "identity"), sha256_file(source)
    if known["sha256"] != digest:
        raise UserError(f"{source}: sha256 is {digest}, but {identity} says {known['sha256']}; identify it again")
    document = {
        "schema": "edgeproof.saved-model.v1",
        "model": known["model"],
        "status": "ok",
        "reason": None,
        "source": describe_file(source),
        "artifact": None,
        "interface": None,
        "warnings": [],
    }
    facts = {}
    with tempfile.TemporaryDirectory(prefix="edgeproof-build-") as scratch:
        # onnx2tf rewrites the file it reads, and must not touch the source.
        spec = {"model": shutil.copyfile(source, Path(scratch) / "model.onnx")}
        try:
            converted = run_converter("saved_model", toolchain, _ONNX2TF, spec, source, scratch, log, facts)
            atomic_write(artifact, converted.pop("path").read_bytes())
            document |= {"interface": converted["interface"], "warnings": converted["warnings"]}
        except BuildError as failure:
            document |= {"status": "failed", "reason": {"kind": failure.kind, "message": str(failure)}}
            atomic_write(artifact, b"")
    document |= {**facts, "artifact": describe_file(artifact), "command": command}
    write_json(record, {**document, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}, "saved-model")


def build_converted(
    cell, source, identity, preset, precision, calibration, toolchain, saved_model, artifact, manifest, log, command
):
    """Build the artifact of `cell` with the converter of its format, in the toolchain whose record is `toolchain`.

    `saved_model`: record of the model's SavedModel, for the formats that are made from it (else None). `log`: what the
    converter said. The other arguments and the errors are as in `building.build_onnx`.
    """
    kind = FORMATS[preset["artifact"]]
    known = check_job(cell, source, identity, preset, precision, artifact, manifest, kind.options)
    options = check_options(preset["build"], precision, kind)
    used = check_calibration(calibration, known["inputs"], precision, options)
    facts, model = {"calibration": used}, load_model(source)

    def convert(target, scratch):
        spec = {"precision": precision, "options": options}
        if kind.origin == "saved_model":
            spec |= take_saved_model(saved_model, known, facts)
            if used:
                spec["calibration"] = {"path": str(Path(calibration).resolve()), "samples": used["samples"]}
        else:
            spec["model"] = take_onnx(source, model, precision, options, calibration, known, scratch, facts)
        tools = facts.pop("host_tools", {})
        converted = run_converter(kind.converter, toolchain, kind.packages, spec, source, scratch, log, facts)
        facts["toolchain"] = {**facts["toolchain"], **tools}
        proof = judge_counts(precision, converted["weights"], converted["values"], converted["operators"])
        require_precision(proof, kind.quantisers)
        if preset["artifact"] == "tflite" and precision == "int8":
            require_integer_activations(proof)
        shutil.move(converted["path"], target)
        return {**{key: converted[key] for key in ("inputs", "outputs", "warnings")}, "opset": None, "precision": proof}

    # A build that ends before its converter runs (there is no SavedModel) has said nothing.
    record = read_json(toolchain, "toolchain")
    atomic_write(log, b"")
    facts |= {"exit_code": None, "log_sha256": sha256_file(log), **describe_record(record, kind.packages)}
    carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts)


def run_converter(name, toolchain, packages, spec, source, scratch, log, facts):
    """Run a converter in its toolchain and return its facts, with `path` of the artifact; BuildError is its verdict.

    What a manifest says of it (toolchain and lock, exit code, digest of the log) goes into `facts`. `source`: the
    model, whose nodes a failure may name.
    """
    out = Path(scratch) / "out"
    out.mkdir()
    spec_path = Path(scratch) / "spec.json"
    spec_path.write_text(json.dumps(spec, default=str))
    with open_toolchain(toolchain) as (interpreter, record):
        facts |= describe_record(record, packages)
        environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": str(SCRIPTS)}
        # Tools call each other by name: onnx2tf finds onnxsim on the PATH, or goes without.
        environment["PATH"] = os.pathsep.join([str(Path(interpreter).parent), environment.get("PATH", os.defpath)])
        command = [interpreter, "-m", f"edgeproof.converters.{name}", str(spec_path), str(out)]
        code, text = run_logged(command, out, environment)
    atomic_write(log, text.replace(str(scratch), "SCRATCH"))
    facts |= {"exit_code": code, "log_sha256": sha256_file(log)}
    if (out / "failure.json").is_file():
        raise explain_failure(json.loads((out / "failure.json").read_text()), load_model(source))
    if code == 0:
        converted = json.loads((out / "facts.json").read_text())
        return {**converted, "path": out / converted["artifact"]}
    if code < 0:  # killed, as a rule for want of memory: trying again on a larger machine may help, so no verdict
        raise UserError(f"converter {name}: ended by signal {-code}; free memory if it ran out, and run again")
    raise UserError(f"converter {name}: exited with {code} and no verdict; {log} says why")


def run_logged(command, folder, environment):
    """Run a command in `folder`, its output shown on stderr as it comes; return (exit code, output as text)."""
    lines = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout:
            lines.append(line)
            sys.stderr.write(line)
    return process.returncode, "".join(lines)


def explain_failure(failure, model):
    """Return the BuildError of a converter's `failure.json`, with the node to blame in words where one is known."""
    message = failure["message"]
    kind = classify_failure(message) if failure["kind"] == "conversion_failed" else failure["kind"]
    node = next((node for node in iterate_nodes(model.graph.node) if failure["output"] in [*node.output[:1]]), None)
    if node is None:
        return BuildError(kind, f"{message}{locate_failure(message, model)}")
    versions = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    return BuildError(kind, f"{describe_node(node, versions)}: {message}")


def describe_record(record, packages):
    """Return the manifest's entries about a toolchain: versions of Python and the packages named, and its lock."""
    versions = {name.replace("_", "-"): version for name, version in record["packages"].items()}
    tools = {"python": record["interpreter"]["version"], **{name: versions[name] for name in sorted(packages)}}
    return {"toolchain": tools, **describe_lock(record["lock"]["file"])}


def take_saved_model(path, known, facts):
    """Return what a converter is told of the SavedModel whose record is at `path`; BuildError when there is none."""
    record = read_json(path, "saved-model")
    packed = Path(path).with_suffix(".zip")
    if record["source"]["sha256"] != known["sha256"]:
        raise UserError(f"{path}: is about another model ({record['source']['sha256']}); the workflow remakes it")
    facts["intermediate"] = {
        "file": locate(packed),
        "sha256": record["artifact"]["sha256"],
        "toolchain": record["toolchain"],
        "toolchain_lock_sha256": record["toolchain_lock_sha256"],
    }
    if record["status"] == "failed":
        raise BuildError(record["reason"]["kind"], record["reason"]["message"])
    if sha256_file(packed) != record["artifact"]["sha256"]:
        raise UserError(f"{packed}: sha256 is not the one in {path}; delete both, the workflow remakes them")
    return {"saved_model": str(packed.resolve()), "interface": record["interface"]}


def take_onnx(source, model, precision, options, calibration, known, scratch, facts):
    """Return the ONNX file that a converter reads: the source, for int8 as ONNX Runtime has quantised it (QDQ)."""
    if precision != "int8":
        return str(Path(source).resolve())
    quantised = Path(scratch) / "quantised.onnx"
    workspace = Path(scratch) / "quantisation"
    workspace.mkdir()
    convert_onnx(source, model, quantised, precision, options, (calibration, known["inputs"]), workspace)
    facts["host_tools"] = {f"host-{name}": version for name, version in describe_toolchain(TOOLS["int8"]).items()}
    return str(quantised)


def check_options(build, precision, kind):
    """Return the build options that this precision uses; options of the preset's other precisions may stand beside."""
    known = set().union(*kind.options.values())
    if unknown := sorted(set(build) - known):
        raise UserError(f"preset: unknown key build.{unknown[0]}; known keys are {', '.join(sorted(known)) or 'none'}")
    if missing := sorted(kind.options[precision] - set(build)):
        raise UserError(f"preset: build.{missing[0]} is missing; {precision} needs it")
    options = {key: build[key] for key in sorted(kind.options[precision])}
    if kind.converter == "tflite" and options.get("calibration_method", "minmax") != "minmax":
        raise UserError("preset: build.calibration_method must be minmax; TFLite's calibrator has no other")
    return options


def check_calibration(path, inputs, precision, options):
    """Return the manifest's entry about the calibration set, None where none is used; UserError if it does not fit."""
    if precision != "int8":
        return None
    if path is None:
        raise UserError("int8 needs a calibration set; give one with --calibration")
    samples = options["calibration_samples"]
    if type(samples) is not int or samples < LEAST_SAMPLES:
        raise UserError(f"preset: build.calibration_samples is {samples!r}; at least {LEAST_SAMPLES} are needed")
    with CalibrationStream(path, inputs, samples) as stream:
        while stream.get_next() is not None:
            pass
    return {**describe_file(path), "samples": samples, "method": options["calibration_method"]}


def require_integer_activations(proof):
    """Raise BuildError unless most activations of an int8 TFLite file are int8: float kernels may hide in between."""
    numbers = {dtype: number for dtype, number in proof["values"].items() if dtype != "int32"}
    if numbers.get("int8", 0) < sum(numbers.values()) / 2:
        found = ", ".join(f"{number} {dtype}" for dtype, number in numbers.items())
        raise BuildError("precision_not_held", f"most activations are not int8; found {found}")
