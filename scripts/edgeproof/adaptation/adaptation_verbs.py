"""What the verbs of `edgeproof adaptation` do: each prints for people or as JSON, and returns an exit code."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.catalogues import list_catalogue, read_catalogue_entry
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import atomic_write, is_file
from edgeproof.runtime.device_state import StateError, StateReader, describe_state
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.variants import ModelFamily
from edgeproof.sources.identity import describe_model

from .benchmark_report import benchmark_family, render_table
from .family_files import open_family_file
from .onnx_descriptions import describe_onnx
from .replay_documents import Replay, play_document
from .replay_page import say_verdict
from .server_comparison import read_comparison, say_comparison
from .server_verbs import compare_two, measure_one


def _validate(options: Namespace, root: Path) -> ExitCode:
    """Verb `validate`: NOT_GOOD if a file is missing, or two variants do not take and give the same tensors."""
    family = open_family_file(options.config, root)
    rows = [
        {"variant": name, "path": item.path, "exists": is_file(item.path), "backend": item.backend}
        for name, item in family.variants.items()
    ]
    problems = [f"{row['variant']}: {row['path']} is missing" for row in rows if not row["exists"]]
    problems += _list_contract_problems(family)
    document: Json = {"family": family.name, "variants": rows, "problems": problems}
    if options.explain:
        document["decisions"] = _decide(family, options.latency_ceiling_ms)

    def lines() -> list[str]:
        told = [f"family={family.name} variants={len(rows)}"]
        told += [f"  {row['variant']}: path={row['path']} exists={row['exists']}" for row in rows]
        told += [f"problem: {text}" for text in problems]
        return told + (_dump(document["decisions"]) if options.explain else [])

    show(options, document, lines)
    return ExitCode.NOT_GOOD if problems else ExitCode.GOOD


def _show_decisions(options: Namespace, root: Path) -> ExitCode:
    """Verb `decisions`: one reading of this device, MaximizeAccuracy as EdgeAdapt has it, no guard."""
    document = _decide(open_family_file(options.config, root), options.latency_ceiling_ms)
    return show(options, document, lambda: _dump(document))


def _benchmark(options: Namespace, root: Path) -> ExitCode:
    """Verb `benchmark`: time every variant in this process, one after the other."""
    report = benchmark_family(open_family_file(options.config, root), options.sample, options.runs)
    return show(options, report, lambda: render_table(report))


def _inspect_model(options: Namespace, root: Path) -> ExitCode:
    """Verb `inspect-model`: what ONNX Runtime says of a file."""
    document = describe_onnx(options.model)
    return show(options, document, lambda: _dump(document))


def _replay(options: Namespace, root: Path) -> ExitCode:
    """Verb `replay`: print both guards' figures; with `--output` also write `decisions.jsonl`."""
    family = open_family_file(options.config, root)
    trace, name = _open_trace(options.trace, root)
    policy = read_catalogue_entry("selection", options.policy, root)
    lines: list[str] = []
    emit = lines.append if options.output else _forget
    summary = play_document(family, Replay(options.config, options.policy, policy, name, trace), emit)
    if options.output:
        atomic_write(Path(options.output) / "decisions.jsonl", "".join(lines))
    told = {"family": family.name, "policy": options.policy, "trace": name, **summary}

    def text() -> list[str]:
        rows = [f"{say_verdict(summary)}"]
        for mode, figures in summary["modes"].items():
            ran = ", ".join(f"{key} {seconds:.0f} s" for key, seconds in figures["dwell_s"].items())
            rules = ", ".join(f"{key} {count}" for key, count in figures["rules"].items())
            rows.append(f"{mode}: {ran}; decisions: {rules}")
        return rows

    return show(options, told, text)


def _inspect_comparison(options: Namespace, root: Path) -> ExitCode:
    """Verb `inspect-comparison`: recompute a comparison of servers from its raw data."""
    document = read_comparison(options.document)
    return show(options, document, lambda: say_comparison(document))


def _decide(family: ModelFamily, ceiling_ms: float | None) -> Json:
    try:
        state = StateReader().read()
    except StateError as error:
        raise UserError(str(error)) from error
    name, explanation = MaximizeAccuracy(latency_ceiling_ms=ceiling_ms).select_with_explanation(state, family)
    return {"recommended": name, "explanation": explanation, "device": describe_state(state)}


def _list_contract_problems(family: ModelFamily) -> list[str]:
    """Return a sentence for every ONNX variant that takes or gives other tensors than the first."""
    told: list[str] = []
    first: tuple[str, Json] | None = None
    for name, item in family.variants.items():
        if not item.path.endswith(".onnx") or not is_file(item.path):
            continue
        try:
            identity = describe_model(name, item.path)
        except UserError as error:
            told.append(f"{name}: {error}")
            continue
        first = first or (name, identity)
        told += [
            f"{name}: its {side} are not those of {first[0]}"
            for side in ("inputs", "outputs")
            if identity[side] != first[1][side]
        ]
    return told


def _open_trace(text: str, root: Path) -> tuple[Json, str]:
    """Return (document of kind `trace`, its name) of a catalogue's entry or a file of JSON lines."""
    if text not in list_catalogue("trace", root) and is_file(text):
        return {"file": text}, Path(text).stem
    document = read_catalogue_entry("trace", text, root)
    return {**document, "file": str(root / document["file"])}, text


def _forget(line: str) -> None:
    """Take a line of `decisions.jsonl` that nobody asked for."""


def _dump(document: Json) -> list[str]:
    import json

    return [json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)]


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {
    "validate": _validate,
    "decisions": _show_decisions,
    "benchmark": _benchmark,
    "inspect-model": _inspect_model,
    "measure-server": measure_one,
    "compare-servers": compare_two,
    "inspect-comparison": _inspect_comparison,
    "replay": _replay,
}
