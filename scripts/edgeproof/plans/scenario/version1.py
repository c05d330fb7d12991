"""Version 1 of the scenario document: a chain of stages, one profile per stage and device, links priced per MB."""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.seals import digest_json

from .model import LIMIT_KEYS, Device, Limits, Link, Option, Scenario, Stage, Tensor
from .references import check_link_ends, find_name, index_names


def parse_v1(document: Json, where: str | Path) -> Scenario:
    """Return the `Scenario` of a validated version 1 document; UserError names a key that refers to nothing."""
    devices = tuple(Device(d["name"], d.get("label", d["name"]), d["memory_mb"]) for d in document["devices"])
    device_index = index_names([d.name for d in devices], "devices", where)
    links = tuple(
        Link(
            find_name(device_index, link["source"], f"links[{i}].source", "device", where),
            find_name(device_index, link["target"], f"links[{i}].target", "device", where),
            link["latency_ms_per_mb"],
            link["energy_mj_per_mb"],
            bidirectional=link.get("bidirectional", True),
        )
        for i, link in enumerate(document.get("links", []))
    )
    check_link_ends(links, devices, where)
    index_names([s["name"] for s in document["stages"]], "stages", where)
    stages = []
    for i, stage in enumerate(document["stages"]):
        options = []
        for device, profile in stage["profiles"].items():
            index = find_name(device_index, device, f"stages[{i}].profiles", "device", where)
            options.append(
                Option(index, "", profile["latency_ms"], profile["energy_mj"], weights_mb=profile["memory_mb"])
            )
        options.sort(key=lambda option: option.device)
        stages.append(Stage(stage["name"], tuple(options), stage.get("description", "")))
    tensors = tuple(Tensor(i, (i + 1,), stage.get("output_mb", 0)) for i, stage in enumerate(document["stages"][:-1]))
    caps = document.get("constraints", {})
    return Scenario(
        name=document["name"],
        devices=devices,
        links=links,
        stages=tuple(stages),
        tensors=tensors,
        order=tuple(range(len(stages))),
        limits=Limits(caps.get(LIMIT_KEYS["latency"]), caps.get(LIMIT_KEYS["energy"])),
        description=document.get("description", ""),
        digest=digest_json(document),
    )
