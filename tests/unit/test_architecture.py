"""The house holds: imports point one way, the agent stands alone, names and schemas agree with what is shipped."""

import ast
import collections
import graphlib
import hashlib
import json
import re
from pathlib import Path

import jsonschema
import pytest
from edgeproof.core.campaign import CATALOGUES, expand_campaign, read_catalogue
from edgeproof.core.documents import SCHEMAS, load_schema
from edgeproof.core.schema_tables import render_page
from edgeproof.core.yaml_files import read_yaml

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "scripts" / "edgeproof"
# A room may import the rooms before it, and `core` and what is SHARED always; so may a sub-room, those before it.
ROOMS = ("sources", "artifacts", "runs", "calibration", "comparability", "plans", "adaptation", "evidence")
SUB_ROOMS = {
    "artifacts": ("toolchains", "records", "builds", "agreement"),
    "plans": ("scenario", "solver", "verifier", "outcome"),
}
# What runs on a board and on a host alike.
SHARED = (("agent", "lock"), ("agent", "machine"))
ALONE = ("agent", "converters")  # run by interpreters that have nothing else of edgeproof
FILES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")
FAMILIES = {"cli", "__main__", "model"}  # basenames that may occur once per folder


def name_module(path):
    """Return the dotted name of a library file."""
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts)


def imported_modules(path):
    """Yield the dotted modules of edgeproof that a file imports, also inside functions."""
    here = path.relative_to(LIBRARY.parent).parent.parts
    known = {name_module(other) for other in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            dotted = ".".join([*base, *filter(None, [node.module])])
            names = [f"{dotted}.{alias.name}" for alias in node.names] + [dotted]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from sorted(known.intersection(names))


def may_import(importer, imported):
    """Tell whether a module may import another, both as tuples of names below `edgeproof`."""
    room, other = importer[0], imported[0]
    if other == "bench":
        return room == "bench"
    if room in ALONE:
        return other == room
    if other == "core" or (room != "core" and imported in SHARED):
        return True
    if room == "core":
        return False
    if room not in ROOMS:  # the workflow, the command line and the benchmarks stand above all rooms
        return other in (*ROOMS, "workflow")
    if other != room:
        return other in ROOMS[: ROOMS.index(room)]
    order = SUB_ROOMS.get(room)
    if order is None or len(importer) == 2:  # a room without sub-rooms, or a file on top of them
        return True
    return len(imported) == 3 and order.index(imported[1]) <= order.index(importer[1])


@pytest.mark.parametrize("path", FILES, ids=name_module)
def test_imports_point_one_way(path):
    importer = tuple(name_module(path).split(".")[1:])
    wrong = [name for name in imported_modules(path) if not may_import(importer, tuple(name.split(".")[1:]))]
    assert wrong == []


def test_sub_rooms_are_those_that_exist():
    for room in ROOMS:
        folders = {path.parent.name for path in (LIBRARY / room).glob("*/__init__.py")} if room in SUB_ROOMS else set()
        assert folders == set(SUB_ROOMS.get(room, ()))


def test_no_circle_of_imports():
    graph = {name_module(path): set(imported_modules(path)) - {name_module(path)} for path in FILES}
    graphlib.TopologicalSorter(graph).prepare()  # CycleError names the circle


def test_basenames_are_unique():
    """A name leads to one file."""
    seen = collections.Counter(path.stem for path in FILES if path.stem not in FAMILIES)
    assert [name for name, count in seen.items() if count > 1] == []


def test_agent_imports_standard_library_numpy_and_its_runtimes_only():
    import sys

    runtimes = {"onnxruntime", "ai_edge_litert", "openvino", "torch", "coremltools", "tensorrt", "rknnlite"}
    allowed = set(sys.stdlib_module_names) | {"numpy"} | runtimes
    for path in (LIBRARY / "agent").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module.split(".")[0] in allowed, path


def test_package_files_are_empty():
    assert [str(path) for path in LIBRARY.rglob("__init__.py") if path.read_text().strip()] == []


def test_no_dynamic_imports():
    pattern = re.compile(r"importlib\.import_module|__import__\(")
    assert [str(p) for p in (ROOT / "scripts").rglob("*.py") if pattern.search(p.read_text())] == []


def test_scripts_are_thin():
    assert [p.name for p in (ROOT / "scripts").glob("*.py") if len(p.read_text().splitlines()) > 45] == []


def test_modules_are_short():
    assert [name_module(p) for p in FILES if len(p.read_text().splitlines()) > 400] == []


def test_every_schema_is_strict():
    """An object without `additionalProperties` would let a misspelt key through."""

    def loose(node, path):
        if isinstance(node, dict):
            dispatches = {"allOf", "oneOf", "if"} & set(node)  # the branches are strict
            shape = node.get("type") == "object" and "properties" in node and not dispatches
            if shape and "additionalProperties" not in node:
                yield path
            for key, value in node.items():
                if key != "if":  # a condition, not a shape
                    yield from loose(value, f"{path}.{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from loose(value, f"{path}[{index}]")

    for path in set(SCHEMAS.glob("*.schema.json")) - {SCHEMAS / "scenario.schema.json"}:  # tells v1 from v2, no more
        assert list(loose(json.loads(path.read_text()), path.name)) == []


@pytest.mark.parametrize("kind", sorted(CATALOGUES))
def test_shipped_configuration_satisfies_its_schema(kind):
    assert read_catalogue(kind, ROOT / "config")


@pytest.mark.parametrize("name", ["jetson", "rpi", "fake", "tensorrt"])
def test_shipped_campaigns_expand(name):
    catalogues = {kind: read_catalogue(kind, ROOT / "config") for kind in CATALOGUES}
    base = read_yaml(ROOT / "config/config.yaml", "campaign")
    import yaml

    overlay = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text())
    campaign = expand_campaign({**base, **overlay}, catalogues)
    assert campaign.name == name and campaign.cells


def test_configuration_page_says_what_the_schemas_say():
    page = (ROOT / "config/README.md").read_text()
    assert render_page(page) == page, "run `make docs`"


def test_another_lock_is_another_environment_for_conda():
    script = (ROOT / "envs/edgeproof.post-deploy.sh").read_text()
    digest = hashlib.sha256((ROOT / "envs/edgeproof.lock").read_bytes()).hexdigest()
    assert f"\n# lock: {digest}\n" in script, "run `make lock`"


def test_profiles_are_reachable_by_their_literal_name():
    for profile in ("local", "jetson", "rpi"):
        assert (ROOT / profile).is_symlink() and (ROOT / profile / "config.v9+.yaml").exists()
    assert not (ROOT / "profiles/default").exists()  # it would be loaded silently and override the others


def test_schemas_are_valid_and_their_markers_match_their_kind():
    for path in SCHEMAS.glob("*.schema.json"):
        kind = path.name.removesuffix(".schema.json")
        jsonschema.Draft202012Validator.check_schema(load_schema(kind))
        marker = load_schema(kind).get("properties", {}).get("schema", {}).get("const")
        assert marker is None or marker.startswith("edgeproof.")


def test_rules_are_thin():
    assert len((ROOT / "rules/common.smk").read_text().splitlines()) <= 150
    rooms = {path.stem for path in (ROOT / "rules").glob("*.smk")} - {"common"}
    assert rooms <= set(ROOMS)
