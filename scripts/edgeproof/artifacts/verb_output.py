"""What the verbs of `edgeproof artifacts` show to people; each function returns lines of text."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeproof.artifacts.records.manifests import flag_random_ranges
from edgeproof.artifacts.records.parity_records import describe_declared_accuracy, describe_limit, describe_parity
from edgeproof.artifacts.records.validation import FAULTS, Check
from edgeproof.core.configuration import Json
from edgeproof.core.formatting import plural

from .comparable_builds import Build


def show_presets(presets: dict[str, Json]) -> list[str]:
    """Return the presets as a verb's output, a table: `{name: document}`."""
    rows = [
        (name, item["backend"], item["artifact"], item["built"], " ".join(item["precisions"]), item["description"])
        for name, item in presets.items()
    ]
    return _align([("preset", "backend", "artifact", "built", "precisions", "description"), *rows])


def show_groups(groups: list[Json], problems: list[Json]) -> list[str]:
    """Return the comparable builds of every source as a verb's output for the terminal, and those with a problem.

    `groups`: as `comparable_builds.describe_groups` returns them.
    """
    lines = []
    for group in groups:
        lines.append(f"source {group['source_sha256'][:12]}  {', '.join(group['models'])}")
        lines.append(
            f"  {group['ready']} ready, {group['pending']} pending, {group['pairs']} pairs; next: {group['next']}"
        )
        for build in group["builds"]:
            lines += [f"  {line}" for line in _show_build(build)]
    for build in problems:
        lines.append(f"{build['build']}: {build['problem']}")
    return lines or ["no artifact is built"]


def _show_build(build: Json) -> list[str]:
    """Return a build and the state of its results."""
    state = [item["state"] for item in build["results"]]
    word = "ready" if "ready" in state else state[0] if state else "pending"
    lines = [f"{word:8}{build['build']}"]
    lines += [f"          {item['cell']}: {item['state']}: {item['why']}" for item in build["results"] if item["why"]]
    return lines


def show_list(entries: list[Json]) -> list[str]:
    """Return the artifacts as a verb's output, a table, one a line, and what is wrong with unreadable ones."""
    if not entries:
        return ["no artifact is built yet; build all with: snakemake --profile local artifacts"]
    rows = [
        (
            entry["artifact"],
            entry["status"],
            "" if entry["bytes"] is None else str(entry["bytes"]),
            (entry["sha256"] or "")[:12],
            "" if entry["share"] is None else f"{entry['share']:.1%}",
            ", ".join(filter(None, (entry["parity"], entry["calibration"]))),
            "; ".join(entry["limits"] or ()),
        )
        for entry in entries
    ]
    problems = [f"{entry['artifact']}: {entry['problem']}" for entry in entries if entry["problem"]]
    return [*_align([("artifact", "status", "bytes", "sha256", "share", "parity", "limits"), *rows]), *problems]


def show_manifest(manifest: Json, parity: Json | None, build: Build, action: str) -> list[str]:
    """Return a manifest as a verb's output for the terminal, then its results and the next step."""
    source, artifact, proof = manifest["source"], manifest["artifact"], manifest["precision"]
    lines = [
        ("build", str(build)),
        ("status", manifest["status"] + (f": {manifest['reason']['message']}" if manifest["reason"] else "")),
        ("source", f"{source['file']}  {source['sha256']}"),
        ("artifact", f"{artifact['file']}  {artifact['sha256'] or 'none'}  {artifact['bytes']} bytes"),
        ("target", _name_target(manifest)),
        ("preset", f"{manifest['preset']['backend']}, {manifest['preset']['artifact']}, {manifest['preset']['build']}"),
    ]
    if supplied := manifest.get("supplied"):
        lines.append(("supplied", f"{supplied['file']}: not built, taken as it was"))
        if made := supplied.get("record"):
            options = ", ".join(f"{name} {value}" for name, value in made["options"].items())
            lines.append(
                ("built by", f"InferEdgeForge, {made['preset']} ({options}), {made['built_at']}: {made['build_id']}")
            )
    for side in ("inputs", "outputs"):
        for item in manifest[side] or ():
            lines.append((side[:-1], _show_tensor(item)))
    for side in ("inputs", "outputs"):
        for item in manifest.get("mapping", {}).get(side, ()):
            lines.append((side[:-1], f"{item['source']} is {item['name']!r} in the file, {_name_axes(item['axes'])}"))
    if proof:
        weights = ", ".join(f"{item['elements']} {dtype}" for dtype, item in proof["weights"].items()) or "no weights"
        if proof["basis"] == "declared":
            weights = "declared; nothing in the file proves it"
        share = "" if proof["share"] is None else f"{proof['share']:.1%} of what could be; "
        lines.append(("precision", f"{proof['claimed']}: {share}{weights}"))
        if "float_operators" in proof and proof["claimed"] == "int8":
            floats = ", ".join(f"{number} {name}" for name, number in proof["float_operators"].items())
            lines.append(("operators", f"with floats: {floats}" if floats else "all are integer"))
    if used := manifest["calibration"]:
        told = ", ".join(filter(None, (f"{used['samples']} samples", used["method"], flag_random_ranges(manifest))))
        lines.append(("calibration", f"{used['file']}  {used['sha256']}  {told}"))
    lines.append(("toolchain", ", ".join(f"{name} {version}" for name, version in manifest["toolchain"].items())))
    if lock := manifest.get("toolchain_lock_sha256"):
        lines.append(("lock", f"{manifest.get('toolchain_lock_file', '')}  {lock}"))
    host = manifest["host"]
    lines.append(("built", f"{manifest['built_at']} in {manifest['duration_s']} s on {host['machine']}, {host['os']}"))
    lines.append(("command", " ".join(manifest["command"])))
    lines += [("warning", text) for text in manifest["warnings"]]
    if parity:
        reason = f": {parity['reason']['message']}" if parity["reason"] else ""
        lines.append(("parity", describe_parity(parity) + reason))
        lines += [("limit", describe_limit(line)) for line in parity["thresholds"]]
        lines += [("declared", describe_declared_accuracy(item)) for item in parity.get("declared", ())]
    wrong = parity is not None and parity["status"] == "failed"
    for item in build.measurements:
        state = "measured, but its outputs are wrong" if wrong and item.state == "ready" else item.state
        lines.append(("result", f"{item.cell}: {state}{f': {item.why}' if item.why else ''}"))
    if build.problem and manifest["status"] == "ok":
        lines.append(("problem", build.problem))
    return _align([*lines, ("next", action)])


def _name_target(manifest: Json) -> str:
    """Return what an artifact is for, and what made it, as text."""
    target = manifest.get("target", {"runtime": manifest["preset"]["backend"], "device": manifest["cell"]["builder"]})
    device = "any device" if target["device"] in ("any", "host") else target["device"]
    made = " ".join(manifest.get("tool", {}).values())
    return f"{target['runtime']} on {device}" + (f"; built by edgeproof {made}" if made else "")


def _name_axes(axes: Sequence[int]) -> str:
    """Return the order of a tensor's axes in a file, as a reader thinks of it."""
    if list(axes) == sorted(axes):
        return "axes in the same order"
    last = [0, *range(2, len(axes)), 1]
    return "channels last" if list(axes) == last else f"axes {', '.join(map(str, axes))}"


def _show_tensor(item: Json) -> str:
    """Return an input or output as text: name, type, shape, and of an integer how it is read."""
    told = f"{item['name']}  {item['dtype']} {item['shape']}"
    if scaled := item.get("quantisation"):
        told += f"  {scaled['scale']:.6g} × (integer − {scaled['zero_point']})"
    return told


def show_checks(checked: Sequence[tuple[Path, list[Check]]], verbose: bool = False) -> list[str]:
    """Return the Checks of several manifests as a verb's output: faults and notes, with `verbose` all.

    `checked`: `[(path, [Check])]`.
    """
    lines, faults, opened = [], 0, 0
    for path, checks in checked:
        shown = [check for check in checks if verbose or check.status != "ok"]
        faults += sum(check.status in FAULTS for check in checks)
        opened += len(checks)
        if shown:
            lines += [str(path), *(f"  {check}" for check in shown)]
    verdict = "nothing differs" if not faults else f"{faults} things differ or are missing"
    return [*lines, f"{plural(len(checked), 'manifest')}, {plural(opened, 'check')}: {verdict}"]


def show_rebuild(record: Json) -> list[str]:
    """Return the verdict of a rebuild and what differs, as a verb's output for the terminal."""
    lines = [f"{record['verdict']}: {record['second']['manifest']}"]
    lines += [
        f"  {item['member']}: {item['detail']}{'' if item['decisive'] else ' (decides nothing)'}"
        for item in record["differences"]
    ]
    left = record["differences_count"] - len(record["differences"])
    lines += [f"  and {left} more"] if left else []
    return lines + [f"  around it: {text}" for text in record["environment"]]


def show_outcome(outcome: Json) -> list[str]:
    """Return one of many rebuilds as a line of a verb's output: its verdict, or why there is none."""
    if outcome["verdict"] in ("refused", "supplied"):
        return [f"{outcome['verdict']}: {outcome['manifest']}", f"  {outcome['reason']}"]
    return show_rebuild(outcome)


def show_operators(document: Json) -> list[str]:
    """Return what explains the speed of an artifact, with its caveats, as a verb's output for the terminal."""
    lines = [*document["findings"], ""]
    rows: list[tuple[str, ...]] = [("kind of work", "source ms", "artifact ms", "difference ms")]
    for line in document["families"]:
        columns = [f"{line[key]:.4g}" for key in ("baseline_ms", "candidate_ms", "difference_ms")]
        rows.append((line["family"], *columns))
    lines += _align(rows)
    costs = ", ".join(f"{arm['profiling_cost']:+.1%}" for arm in document["arms"].values())
    return [*lines, "", f"profiling cost (source, artifact): {costs}", *document["caveats"]]


def _align(rows: Sequence[tuple[Any, ...]]) -> list[str]:
    """Return rows of texts as lines with columns, two spaces apart."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def show_dry_run(document: Json) -> list[str]:
    """Return a dry run as a verb's output: what is read and made, what stands in its way, the command."""
    lines = [("build", f"{document['artifact_format']} by {document['backend']} on {document['builder']}")]
    for item in [*document["inputs"].values(), *document["first"]]:
        lines.append(("reads", f"{item['file']}  {item['sha256'] or 'is made first'}"))
    for file in document["outputs"]:
        lines.append(("makes", file + ("  (is there)" if file in document["existing"] else "")))
    lines += [("log", file) for file in document["logs"]]
    preflight = document["preflight"]
    if not preflight["checked"]:
        lines.append(("operators", f"not checked: {preflight['reason']}"))
    elif not preflight["blockers"]:
        lines.append(("operators", "all can run"))
    lines += [("blocked", text) for text in preflight["blockers"]]
    return _align([*lines, ("command", document["command"])])


def show_document(document: Json) -> list[str]:
    """Return any document as a verb's output, lines `key value`; inner keys are joined with a dot.

    Each item of a list has a line.
    """
    return _align(list(_flatten(document, "")) or [("empty",)])


def _flatten(value: Any, key: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flatten(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and value:
        for inner in value:
            yield from _flatten(inner, key)
    else:
        yield key, "none" if value is None else str(value)
