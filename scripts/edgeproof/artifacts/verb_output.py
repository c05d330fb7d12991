"""What the verbs of `edgeproof artifacts` show to people; each function returns lines of text."""

from edgeproof.artifacts.records.validation import FAULTS


def show_presets(presets):
    """Return a table of presets: `{name: document}`."""
    rows = [
        (name, item["backend"], item["artifact"], item["built"], " ".join(item["precisions"]), item["description"])
        for name, item in presets.items()
    ]
    return align([("preset", "backend", "artifact", "built", "precisions", "description"), *rows])


def show_groups(groups, problems):
    """Return the builds of every source, as `candidates.describe_groups` describes them, and those with a problem."""
    lines = []
    for group in groups:
        lines.append(f"source {group['source_sha256'][:12]}  {', '.join(group['models'])}")
        lines.append(
            f"  {group['ready']} ready, {group['pending']} pending, {group['pairs']} pairs; next: {group['next']}"
        )
        for build in group["builds"]:
            lines += [f"  {line}" for line in show_build(build)]
    for build in problems:
        lines.append(f"{build['build']}: {build['problem']}")
    return lines or ["no artifact is built"]


def show_build(build):
    """Return a build and the state of its results."""
    state = [item["state"] for item in build["results"]]
    word = "ready" if "ready" in state else state[0] if state else "pending"
    lines = [f"{word:8}{build['build']}"]
    lines += [f"          {item['cell']}: {item['state']}: {item['why']}" for item in build["results"] if item["why"]]
    return lines


def show_list(rows):
    """Return the artifacts, one a line."""
    head = ("artifact", "status", "bytes", "sha256", "share", "parity")
    return align([head, *rows]) if rows else ["no artifact is built"]


def show_manifest(manifest, parity, build, action):
    """Return what a manifest says, in the order in which one asks."""
    source, artifact, proof = manifest["source"], manifest["artifact"], manifest["precision"]
    lines = [
        ("build", str(build)),
        ("status", manifest["status"] + (f": {manifest['reason']['message']}" if manifest["reason"] else "")),
        ("source", f"{source['file']}  {source['sha256']}"),
        ("artifact", f"{artifact['file']}  {artifact['sha256'] or 'none'}  {artifact['bytes']} bytes"),
        ("preset", f"{manifest['preset']['backend']}, {manifest['preset']['artifact']}, {manifest['preset']['build']}"),
    ]
    for side in ("inputs", "outputs"):
        for item in manifest[side] or ():
            lines.append((side[:-1], f"{item['name']}  {item['dtype']} {item['shape']}"))
    if proof:
        weights = ", ".join(f"{item['elements']} {dtype}" for dtype, item in proof["weights"].items()) or "no weights"
        share = "" if proof["share"] is None else f"{proof['share']:.1%} of what could be; "
        lines.append(("precision", f"{proof['claimed']}: {share}{weights}"))
    if used := manifest["calibration"]:
        lines.append(("calibration", f"{used['file']}  {used['sha256']}  {used['samples']} samples, {used['method']}"))
    lines.append(("toolchain", ", ".join(f"{name} {version}" for name, version in manifest["toolchain"].items())))
    if lock := manifest.get("toolchain_lock_sha256"):
        lines.append(("lock", f"{manifest.get('toolchain_lock_file', '')}  {lock}"))
    host = manifest["host"]
    lines.append(("built", f"{manifest['built_at']} in {manifest['duration_s']} s on {host['machine']}, {host['os']}"))
    lines.append(("command", " ".join(manifest["command"])))
    lines += [("warning", text) for text in manifest["warnings"]]
    if parity:
        lines.append(("parity", parity["status"] + (f": {parity['reason']['message']}" if parity["reason"] else "")))
    lines += [
        ("result", f"{item.cell}: {item.state}{f': {item.why}' if item.why else ''}") for item in build.measurements
    ]
    if build.problem and manifest["status"] == "ok":
        lines.append(("problem", build.problem))
    return align([*lines, ("next", action)])


def show_checks(checked, verbose=False):
    """Return the Checks of several manifests, `[(path, [Check])]`: faults and notes, with `verbose` all of them."""
    lines, faults, opened = [], 0, 0
    for path, checks in checked:
        shown = [check for check in checks if verbose or check.status != "ok"]
        faults += sum(check.status in FAULTS for check in checks)
        opened += len(checks)
        if shown:
            lines += [str(path), *(f"  {check}" for check in shown)]
    verdict = "nothing differs" if not faults else f"{faults} things differ or are missing"
    return [*lines, f"{len(checked)} manifests, {opened} checks: {verdict}"]


def show_rebuild(record):
    """Return the verdict of a rebuild and what differs."""
    lines = [f"{record['verdict']}: {record['second']['manifest']}"]
    lines += [
        f"  {item['member']}: {item['detail']}{'' if item['decisive'] else ' (decides nothing)'}"
        for item in record["differences"]
    ]
    left = record["differences_count"] - len(record["differences"])
    lines += [f"  and {left} more"] if left else []
    return lines + [f"  around it: {text}" for text in record["environment"]]


def show_outcome(outcome):
    """Return one of many rebuilds: its verdict, or why there is none."""
    if outcome["verdict"] == "refused":
        return [f"refused: {outcome['manifest']}", f"  {outcome['reason']}"]
    return show_rebuild(outcome)


def show_operators(document):
    """Return what explains the speed of an artifact, with its caveats."""
    lines = [*document["findings"], ""]
    rows = [("kind of work", "source ms", "artifact ms", "difference ms")]
    for line in document["families"]:
        rows.append((line["family"], *(f"{line[key]:.4g}" for key in ("baseline_ms", "candidate_ms", "difference_ms"))))
    lines += align(rows)
    costs = ", ".join(f"{arm['profiling_cost']:+.1%}" for arm in document["arms"].values())
    return [*lines, "", f"profiling cost (source, artifact): {costs}", *document["caveats"]]


def align(rows):
    """Return rows of texts as lines with columns, two spaces apart."""
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
