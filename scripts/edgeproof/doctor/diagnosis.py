"""`edgeproof doctor`: everything that is found, in one document, and the lines that people read."""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import cast

from edgeproof.core.campaign_nodes import Node
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.configuration import Json, NamedDevice
from edgeproof.remote.known_boards import is_remote

from .findings import Finding, Place
from .link_findings import inspect_link
from .machine_findings import inspect_machine
from .node_findings import inspect_node
from .power_findings import inspect_power_control
from .runtime_findings import inspect_runtimes
from .sampler_findings import inspect_samplers
from .sensitivity import describe_best, read_sensitivity

_MARKS = {"good": "ok", "absent": "--", "unknown": "??", "bad": "!!"}


def diagnose(device: str, root: Path, place: Place, node: Node | None = None) -> Json:
    """Return the doctor's diagnosis for measuring a device: {device, findings, differences, sentence, bad}.

    `root`: the repository; `place`: the machine; `node`: where a Slurm cluster has the device's board.
    """
    described = cast(NamedDevice, {**read_catalogue("device", root / "config")[device], "name": device})
    presets = read_catalogue("preset", root / "config")
    cells, told = read_sensitivity(described, place, root)
    here = [
        inspect_machine(described, place, root),
        inspect_runtimes(described, presets, root),
        inspect_samplers(described),
        inspect_power_control(place),
    ]
    looked_at = [inspect_link(described)] if is_remote(described) else here  # this machine says nothing of a board
    if node is not None:
        looked_at = [inspect_node(node, place, root)]
    findings = [*chain.from_iterable(looked_at), *told]
    return {
        "device": device,
        "findings": [asdict(finding) for finding in findings],
        "differences": cells,
        "sentence": describe_best(cells),
        "bad": sum(finding.state == "bad" for finding in findings),
    }


def render_diagnosis(document: Json) -> Iterable[str]:
    """Yield the lines of a diagnosis for people: a mark, what it is about, what was found, and below it what to do."""
    part = None
    for item in document["findings"]:
        finding = Finding(**item)
        if finding.part != part:
            yield from ([""] if part else []) + [finding.part]
            part = finding.part
        yield f"  {_MARKS[finding.state]} {finding.name}: {finding.text}"
        if finding.remedy:
            yield f"       {finding.remedy}"
    yield ""
    yield document["sentence"]
    bad = document["bad"]
    yield f"Nothing keeps you from measuring {document['device']} here." if not bad else f"!! {bad} to mend first."
