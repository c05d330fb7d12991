"""Which builds of one source model can be compared now, and the command that compares them.

Builds belong together if their source has the same digest, whatever its name or place. A build is ready on a device if
a result there was measured with exactly this source, artifact and manifest. A result of an earlier build is stale and
does not count; neither does a result that its own raw data contradict.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.core.campaign_files import expand_campaign_files, read_campaign_files
from edgeproof.core.campaign_models import add_models
from edgeproof.core.catalogues import NAME, read_catalogue
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell, comparison_folder, relative_to_repository, run_folder
from edgeproof.core.suggestions import suggest_words

ResultReader = Callable[[Path], Json]  # reads a result.json, checks it against its raw data; UserError if it is false
READY_STATUS = ("ok", "throttled")  # of a result; a throttled one is measured, and the comparison judges it again
CELL_KEYS = ("model", "preset", "builder", "precision")


@dataclass(frozen=True)
class Measurement:
    """A result of one build on one device.

    `state`: ready, stale, failed or broken; `why`: the reason if it is not ready. `provenance`: measured or simulated,
    None if the result cannot be trusted.
    """

    cell: Cell
    state: str
    why: str = ""
    provenance: str | None = None


@dataclass(frozen=True)
class Build:
    """An artifact and its results. `cell`: model, preset, builder and precision.

    `problem`: why it cannot be used, empty if it can.
    """

    manifest: str
    cell: dict[str, str]
    source_sha256: str | None
    problem: str
    measurements: tuple[Measurement, ...]

    @property
    def ready(self) -> list[Measurement]:
        """The results that count, with which the build is comparable."""
        return [item for item in self.measurements if item.state == "ready"]

    def __str__(self) -> str:
        return "/".join(self.cell[key] for key in CELL_KEYS) if self.cell else "?"


def collect_builds(root: Path, read_result: ResultReader, model: str | None = None) -> list[Build]:
    """Return the Builds below `root`/results/artifacts, of which some can be compared.

    One that cannot be read is listed with its problem.
    """
    builds = []
    for path in sorted((Path(root) / "results" / "artifacts").glob("*/*/*/*/manifest.json")):
        if model is None or path.parts[-5] == model:
            builds.append(read_build(root, path, read_result))
    return builds


def group_builds(builds: Iterable[Build]) -> dict[str, list[Build]]:
    """Return the comparable builds by source, `{source sha256: [Build, …]}`, in the order given."""
    groups: dict[str, list[Build]] = {}
    for build in builds:
        if not build.problem and build.source_sha256 is not None:
            groups.setdefault(build.source_sha256, []).append(build)
    return groups


def list_pairs(builds: Iterable[Build]) -> list[tuple[Cell, Cell]]:
    """Return the pairs of comparable builds with ready results: one source, one device, different builds.

    A simulated result is never paired with a measured one. Measured pairs come first.
    """
    pairs: list[tuple[Cell, Cell]] = []
    for group in group_builds(builds).values():
        ready = sorted((item for build in group for item in build.ready), key=lambda item: item.provenance or "")
        for one, other in itertools.combinations(ready, 2):
            if (one.cell.device, one.provenance) == (other.cell.device, other.provenance):
                pairs.append((one.cell, other.cell))
    return pairs


def describe_groups(builds: Iterable[Build]) -> list[Json]:
    """Return one JSON object per source of comparable builds: how many are ready or pending, and what to do next."""
    described: list[Json] = []
    for digest, group in group_builds(builds).items():
        ready, pairs = [build for build in group if build.ready], list_pairs(group)
        pending = [build for build in group if not build.ready]
        if pairs:
            action = f"edgeproof artifacts compare-command --model {pairs[0][0].model}"
        elif pending:
            action = suggest_run(pending[0])
        else:
            action = "build a second preset or precision of this model, or measure both on one device"
        described.append(
            {
                "source_sha256": digest,
                "models": sorted({build.cell["model"] for build in group}),
                "ready": len(ready),
                "pending": len(pending),
                "pairs": len(pairs),
                "builds": [describe_build(build) for build in group],
                "next": action,
            }
        )
    return described


def describe_build(build: Build) -> Json:
    """Return a Build with its comparable results as a JSON object."""
    results = [{"cell": str(item.cell), "state": item.state, "why": item.why} for item in build.measurements]
    return {"build": str(build), "manifest": build.manifest, "problem": build.problem, "results": results}


def suggest_run(build: Build) -> str:
    """Return the command that measures a build, so that it becomes comparable."""
    device = build.cell["builder"] if build.cell["builder"] != "host" else "local"
    cell = Cell(build.cell["model"], build.cell["preset"], device, build.cell["precision"])
    return f"snakemake --profile local {run_folder(cell)}/result.json"


def choose_comparable_pair(
    builds: Sequence[Build], left: str | None = None, right: str | None = None
) -> tuple[Cell, Cell]:
    """Return the Cells of two builds that can be compared, left and right.

    `left`, `right`: a cell `MODEL/PRESET/DEVICE/PRECISION`, or the name of an artifact that was measured on one device;
    either or both may be given. If there are several pairs, one with fp32 on the left is chosen. UserError with the
    reason and the next step if there is none.
    """
    sides = [None if text is None else _find_cell(text, builds) for text in (left, right)]
    wanted = [cell for cell in sides if cell is not None]
    known = {item.cell: item for build in builds for item in build.measurements}
    for cell in wanted:
        if cell not in known:
            close = suggest_words(str(cell), [str(item) for item in known])
            raise UserError(f"{cell} is not measured{close or ';'} measure it with: "
                            f"snakemake --profile local {run_folder(cell)}/result.json")  # fmt: skip
        if known[cell].state != "ready":
            raise UserError(f"{cell}: its result is {known[cell].state} ({known[cell].why}); measure it again with: "
                            f"snakemake --profile local {run_folder(cell)}/result.json")  # fmt: skip
    if wanted and sides[0] == sides[1]:
        raise UserError(f"--left and --right are both {wanted[0]}; name two builds")
    pairs = [pair for pair in list_pairs(builds) if set(wanted) <= set(pair)]
    if not pairs:
        raise UserError(_explain_no_pair(builds, wanted))
    ordered = [tuple(sorted(pair, key=lambda cell: cell.precision != "fp32")) for pair in pairs]
    first, second = min(ordered, key=lambda pair: pair[0].precision != "fp32")
    swapped = sides[0] == second or sides[1] == first
    return (second, first) if swapped else (first, second)


def _find_cell(text: str, builds: Iterable[Build]) -> Cell:
    """Return the Cell that a text names: a cell, or an artifact that has results on exactly one device."""
    cell = parse_compared_cell(text)
    measured = [item.cell for build in builds if str(build) == text for item in build.measurements]
    if cell in measured or not measured:
        return cell
    if len(measured) > 1:
        raise UserError(f"{text} was measured on several devices; name one of {', '.join(map(str, measured))}")
    return measured[0]


def parse_compared_cell(text: str) -> Cell:
    """Return the Cell of a comparable build, from a text `MODEL/PRESET/DEVICE/PRECISION`.

    UserError unless it has these four names.
    """
    parts = text.split("/")
    if len(parts) != len(Cell._fields) or not all(re.fullmatch(NAME, part) for part in parts):
        raise UserError(f"{text!r} is not a cell; write MODEL/PRESET/DEVICE/PRECISION")
    return Cell(*parts)


def describe_new_comparison(root: Path, left: Cell, right: Cell) -> tuple[list[str], str]:
    """Return how to compare two comparable builds: `(lines for config/config.yaml, command)`.

    There are no lines if the campaign has the comparison.
    """
    campaign, name = _find_comparison(root, left, right)
    lines: list[str] = []
    if name is None:
        name = name_comparison(left, right)
        changed = [f"{key}: {getattr(right, key)}" for key in Cell._fields if getattr(left, key) != getattr(right, key)]
        given = ", ".join(f"{key}: {value}" for key, value in left._asdict().items())
        lines = [
            "comparisons:",
            f"  - name: {name}",
            f"    left: {{{given}}}",
            f"    right: {{{', '.join(changed)}}}",
        ]
        if left.precision != right.precision:
            lines.append("    varies: [precision]")
    return lines, f"snakemake --profile local {comparison_folder(campaign, name)}/report.md"


def name_comparison(left: Cell, right: Cell) -> str:
    """Return a name for the comparison of two comparable builds: what both share, then what differs."""
    pairs = [(getattr(left, key), getattr(right, key)) for key in Cell._fields]
    shared = [a for a, b in pairs if a == b]
    return "-".join([*shared, *(a for a, b in pairs if a != b), "vs", *(b for a, b in pairs if a != b)])


def _find_comparison(root: Path, left: Cell, right: Cell) -> tuple[str, str | None]:
    """Return (campaign, name of its comparison of two cells); None for the name if there is none to be read."""
    path = Path(root) / "config" / "config.yaml"
    try:
        catalogues = {
            kind: read_catalogue(kind, Path(root) / "config")
            for kind in ("model", "preset", "device", "protocol", "policy")
        }
        files, catalogues = add_models(read_campaign_files([path], root=root), catalogues, Path(root))
        campaign = expand_campaign_files(files, catalogues)
    except UserError:
        return "demo", None
    same = (name for name, item in campaign.comparisons.items() if (item.left, item.right) == (left, right))
    return campaign.name, next(same, None)


def read_build(root: Path, path: Path, read_result: ResultReader) -> Build:
    """Return the Build whose manifest is at `path`, with its comparable results below `root`."""
    root, path = Path(root), Path(path)
    name = relative_to_repository(path, root)
    try:
        manifest = verify_manifest(path)
    except UserError as error:
        place = ("?", "?", "?", "?", *path.resolve().parts)[-5:-1]  # an unreadable manifest says nothing more
        cell = {str(key): part for key, part in zip(CELL_KEYS, place, strict=True)}
        return Build(name, cell, None, " ".join(str(error).split()), ())
    cell = manifest["cell"]
    problem = f"the build failed: {manifest['reason']['message']}" if manifest["status"] == "failed" else ""
    digests = {
        "model": manifest["source"]["sha256"],
        "artifact": manifest["artifact"]["sha256"],
        "manifest": sha256_file(path),
    }
    results = (root / "results" / "runs" / cell["model"] / cell["preset"]).glob(f"*/{cell['precision']}/result.json")
    measured = [
        _read_measurement(item, cell, digests, read_result)
        for item in sorted(results)
        if cell["builder"] in ("host", item.parts[-3])
    ]
    return Build(name, cell, manifest["source"]["sha256"], problem, tuple(measured))


def _read_measurement(path: Path, build: dict[str, str], digests: Json, read_result: ResultReader) -> Measurement:
    cell = Cell(build["model"], build["preset"], path.parts[-3], build["precision"])
    try:
        result = read_result(path)
    except UserError as error:
        return Measurement(cell, "broken", " ".join(str(error).split()))
    stale = [name for name, digest in digests.items() if result["digests"][name] != digest]
    if stale:
        return Measurement(cell, "stale", f"it was measured with another {', '.join(stale)}")
    if result["status"] not in READY_STATUS:
        return Measurement(cell, "failed", f"{result['status']}: {result['reason']['message']}")
    return Measurement(cell, "ready", provenance=result["provenance"])


def _explain_no_pair(builds: Iterable[Build], wanted: list[Cell]) -> str:
    if not builds:
        return "no artifact is built yet; build all with: snakemake --profile local artifacts"
    if wanted:
        return f"no other build with the source of {wanted[0]} is measured on its device; measure one there"
    pending = next((build for build in builds if not build.problem and not build.ready), None)
    if pending:
        return f"fewer than two builds of one source are measured on one device; next: {suggest_run(pending)}"
    return "no two builds of one source are measured on one device; build another preset or precision and measure it"
