"""`ro-crate-metadata.json` of a bundle: a Workflow Run RO-Crate, so that other people's tools know what is in it.

It says nothing of its own: files with size and sha256 come from the manifest, figures from the documents, times from
the attempts. So it can be composed again from a bundle and compared with what is in there.

Source: RO-Crate 1.1, Workflow RO-Crate 1.0, Process and Workflow Run Crate 0.5.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgeproof.core.attempts import RECORD
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json

CRATE = "ro-crate-metadata.json"
WORKFLOW = "Snakefile"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_SHA256 = "https://w3id.org/ro/terms/workflow-run#sha256"  # no term of RO-Crate 1.1
_NO_LICENSE = {
    "@type": "CreativeWork",
    "name": "not stated",
    "description": "Nobody has said under which license this evidence may be used: ask who gave it to you.",
}
_FORMATS = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".html": "text/html",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".zip": "application/zip",
}
_INPUTS, _OUTPUTS = ("configuration", "environment"), ("document", "page", "raw", "artifact")
_STATUS = {"failed-run": "http://schema.org/FailedActionStatus"}


def load_crate_library() -> None:
    """Import what composes run crates: while a bundle is read, nothing that is not loaded may be compiled."""
    import rocrate.rocrate  # noqa: F401  (half a second, which only a bundle needs)


def compose_crate(manifest: Json) -> bytes:
    """Return the text of the run crate of a bundle with this manifest; the current folder has the files.

    The crate's own entry is left out. UserError for a document that cannot be read.
    """
    from rocrate.model import ContextEntity, File
    from rocrate.rocrate import ROCrate

    kind, name = manifest["kind"], manifest["name"]
    entries = [entry for entry in manifest["files"] if entry["path"] != CRATE]
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms["sha256"] = _SHA256
    times = list(_list_times(entries))
    ended = max((end for _, end in times), default="1980-01-01T00:00:00+00:00")
    crate.name, crate.description = f"edgeproof {kind} {name}", _describe(kind, name)
    crate.root_dataset["datePublished"] = ended
    crate.root_dataset["license"] = crate.add(ContextEntity(crate, "#license", properties=_NO_LICENSE))
    profiles: list[Any] = [
        crate.add(ContextEntity(crate, url, properties={"@type": "CreativeWork", "name": title, "version": version}))
        for url, (title, version) in _PROFILES.items()
    ]
    crate.root_dataset["conformsTo"] = profiles
    parts: dict[str, list[Any]] = {}
    for entry in entries:
        described = {"contentSize": str(entry["bytes"]), "sha256": entry["sha256"], "encodingFormat": _format(entry)}
        if entry["path"] == WORKFLOW:
            workflow: Any = crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake", gen_cwl=False)
            workflow["name"], made = "edgeproof's workflow", workflow
            workflow["version"] = manifest["made_by"]["version"]
            for key, value in described.items():
                workflow[key] = value
        else:
            made = crate.add(File(crate, dest_path=entry["path"], properties={**described, "name": entry["path"]}))
        parts.setdefault(entry["role"], []).append(made)
    figures: list[Any] = [crate.add(ContextEntity(crate, at, properties=told)) for at, told in _list_figures(entries)]
    action: Json = {
        "name": f"{kind} {name}",
        "description": _describe(kind, name),
        "instrument": crate.mainEntity,
        "object": [item for role in _INPUTS for item in parts.get(role, [])],
        "result": [*(item for role in _OUTPUTS for item in parts.get(role, [])), *figures],
        "actionStatus": _STATUS.get(kind, "http://schema.org/CompletedActionStatus"),
        "endTime": ended,
    }
    if times:
        action["startTime"] = min(start for start, _ in times)
    run: Any = crate.add(ContextEntity(crate, "#run", properties={"@type": "CreateAction"}))
    for key, value in action.items():
        run[key] = value
    crate.root_dataset["mentions"] = run
    document: Json = crate.metadata.generate()
    document["@graph"].sort(key=lambda item: (item["@id"] != CRATE, item["@id"] != "./", item["@id"]))
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _describe(kind: str, name: str) -> str:
    said = {"campaign": "Evidence of the campaign", "run": "Evidence of the run", "failed-run": "Record of the failure"}
    return f"{said[kind]} {name}, as edgeproof's workflow has made it"


def _format(entry: Json) -> str:
    end = "." + entry["path"].rpartition(".")[2]
    return _FORMATS.get(end, "text/plain" if entry["role"] in ("log", "workflow") else "application/octet-stream")


def _list_times(entries: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Yield (start, end) of every attempt, as its record says."""
    for entry in entries:
        if entry["path"].endswith(f"/{RECORD}"):
            record = read_json(entry["path"], "attempt")
            yield _say_zone(record["started_at"]), _say_zone(record["ended_at"] or record["started_at"])


def _say_zone(time: str) -> str:
    """Return a time in UTC as validators of crates want it: they do not know `Z`."""
    return time.replace("Z", "+00:00")


def _list_figures(entries: Sequence[Json]) -> Iterator[tuple[str, Json]]:
    """Yield (identifier, properties) of every headline and every measured ratio."""
    for entry in entries:
        for place, end, schema, describe in _FIGURES:
            if entry["role"] == "document" and entry["path"].startswith(place) and entry["path"].endswith(end):
                figure = describe(read_json(entry["path"], schema))
                if figure is not None:
                    name = entry["path"].removeprefix("results/").removesuffix(end)
                    yield f"#figure/{name}", {"@type": "PropertyValue", **figure}


def _describe_latency(result: Json) -> Json | None:
    latency = result["latency"]
    if latency is None:
        return None
    found = {"name": "latency, headline", "value": latency["median_ms"], "unitText": "ms"}
    return found | _interval(latency["interval_low_ms"], latency["interval_high_ms"])


def _describe_ratio(report: Json) -> Json | None:
    effect = report["effect"] or report["between_sessions"]
    if effect is None:
        return None
    found = {"name": "time of the right side / time of the left", "value": effect["ratio"], "unitText": "1"}
    return found | _interval(effect["interval_low"], effect["interval_high"]) | {"description": report["verdict"]}


def _interval(low: float | None, high: float | None) -> Json:
    return {} if low is None or high is None else {"minValue": low, "maxValue": high}


_FIGURES: tuple[tuple[str, str, str, Callable[[Json], Json | None]], ...] = (
    ("results/runs/", "/result.json", "result", _describe_latency),
    ("results/comparability/", "/report.json", "comparison", _describe_ratio),  # phases have a report.json as well
)
