"""The house holds: imports point one way, the agent stands alone, names and schemas agree with what is shipped."""

import ast
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
# A room may import the rooms before it, and `core` always.
ROOMS = ("sources", "artifacts", "runs", "calibration", "comparability", "plans", "adaptation", "evidence")


def imported_packages(path):
    """Return the first-level packages of edgeproof that a file imports."""
    here = path.relative_to(LIBRARY.parent).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            dotted = [*base, *filter(None, [node.module])]
            names = [".".join([*dotted, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "edgeproof" and len(parts) > 1:
                yield parts[1]


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda p: str(p.relative_to(LIBRARY)))
def test_imports_point_one_way(path):
    room = path.relative_to(LIBRARY).parts[0]
    if room in ("agent", "converters"):  # run by interpreters that have nothing else of edgeproof
        allowed = {room}
    elif room == "core":
        allowed = {"core"}
    elif room in ROOMS:
        allowed = {"core", *ROOMS[: ROOMS.index(room) + 1]}
    else:  # the command line above all rooms
        allowed = {"core", *ROOMS}
    assert set(imported_packages(path)) <= allowed


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
    assert [p.name for p in (ROOT / "scripts").glob("*.py") if len(p.read_text().splitlines()) > 60] == []


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
