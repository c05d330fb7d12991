"""The house holds: imports point one way, the agent stands alone, names and schemas agree with what is shipped."""

import ast
import collections
import functools
import graphlib
import hashlib
import re
import sys
from pathlib import Path

import jsonschema
import pytest
from edgeproof.core.campaign_files import expand_campaign_files, read_campaign_files
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.documents import SCHEMAS, load_schema
from edgeproof.core.schema_tables import render_page

from .function_list import list_classes, list_functions

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "scripts" / "edgeproof"
# A room may import the rooms before it, and `core` and what is SHARED always; so may a sub-room, those before it.
ROOMS = (
    *("sources", "artifacts", "runs", "calibration", "comparability", "plans"),
    *("adaptation", "evidence", "phases", "bundles", "claims", "registry"),
)
SUB_ROOMS = {
    "artifacts": ("toolchains", "records", "builds", "agreement"),
    "plans": ("scenario", "solver", "verifier", "outcome"),
}
# What runs on a board and on a host alike.
SHARED = (
    *(("agent", "archive_limits"), ("agent", "inputs_format"), ("agent", "lock"), ("agent", "machine")),
    *(("agent", "messages"), ("agent", "sampling_rates"), ("agent", "tied_processes")),
)
ABOVE = ("bench", "scaffolding", "doctor")  # stand above the rooms; only the command line calls the last two
ALONE = ("agent", "board_end", "converters", "runtime")  # run by interpreters that have nothing else of edgeproof
BESIDE = ("remote",)  # how boards are reached: every room may use it, and it uses no room
FILES = sorted(path for path in LIBRARY.rglob("*.py") if path.name != "__init__.py")
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
SCHEMA_KINDS = sorted(path.name.removesuffix(".schema.json") for path in SCHEMAS.glob("*.schema.json"))
CAMPAIGNS = sorted((ROOT / "config").glob("*.yaml"))
FAMILIES = {"cli", "__main__", "model"}  # basenames that may occur once per folder


def name_module(path):
    """Return the dotted name of a library file."""
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts)


MODULES = frozenset(map(name_module, FILES))


@functools.cache
def parse(path):
    """Return the tree of a file; many tests look at the same ones."""
    return ast.parse(path.read_text())


@functools.cache
def imported_modules(path):
    """Return the dotted modules of edgeproof that a file imports, also inside functions."""
    return list(_imported_modules(path))


def _imported_modules(path):
    here = path.relative_to(LIBRARY.parent).parent.parts
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            dotted = ".".join([*base, *filter(None, [node.module])])
            names = [f"{dotted}.{alias.name}" for alias in node.names] + [dotted]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from sorted(MODULES.intersection(names))


def may_import(importer, imported):
    """Tell whether a module may import another, both as tuples of names below `edgeproof`."""
    room, other = importer[0], imported[0]
    if other in ABOVE:
        return room == other or (other != "bench" and room == "__main__")
    if room in ALONE:
        ours = (("runtime", "agent"), ("board_end", "agent"))  # one wheel holds both; the board's end starts the agent
        return other == room or (room, other) in ours
    if other == "runtime":  # in an application on a board, or in a room that reads what it wrote
        return room != "core"
    if other == "core" or (room != "core" and imported in SHARED):
        return True
    if room in ("core", *BESIDE):
        return other == room and room in BESIDE
    if other in BESIDE:
        return True
    if room not in ROOMS:  # the workflow, the command line and the benchmarks stand above all rooms
        return other in (*ROOMS, "workflow") or (room in ("bench", "doctor") and other == "agent")
    if other != room:
        return other in ROOMS[: ROOMS.index(room)]
    order = SUB_ROOMS.get(room)
    if order is None or len(importer) == 2:  # a room without sub-rooms, or a file on top of them
        return True
    return len(imported) == 3 and order.index(imported[1]) <= order.index(importer[1])


def test_imports_point_one_way():
    below = {path: tuple(name_module(path).split(".")[1:]) for path in FILES}
    imports = [(path, name) for path in FILES for name in imported_modules(path)]
    assert [
        (path.name, name) for path, name in imports if not may_import(below[path], tuple(name.split(".")[1:]))
    ] == []


def test_sub_rooms_are_those_that_exist():
    for room in ROOMS:
        folders = {path.parent.name for path in (LIBRARY / room).glob("*/__init__.py")} if room in SUB_ROOMS else set()
        assert folders == set(SUB_ROOMS.get(room, ()))


def test_no_circle_of_imports():
    graph = {name_module(path): set(imported_modules(path)) - {name_module(path)} for path in FILES}
    order = graphlib.TopologicalSorter(graph).static_order()  # CycleError names the circle
    assert set(order) == set(graph)


def test_benchmarks_alone_import_bench():
    importing = [p for p in SCRIPTS if any(name.startswith("edgeproof.bench.") for name in imported_modules(p))]
    assert importing == [path for path in SCRIPTS if path.name.startswith("bench_")]


def test_basenames_are_unique():
    """A name leads to one file."""
    seen = collections.Counter(path.stem for path in FILES if path.stem not in FAMILIES)
    assert [name for name, count in seen.items() if count > 1] == []


def test_agent_and_runtime_import_standard_library_numpy_and_their_runtimes_only():
    runtimes = {"onnxruntime", "ai_edge_litert", "openvino", "torch", "coremltools", "tensorrt", "rknnlite", "pynvml"}
    runtimes |= {"yaml", "h11", "prometheus_client"}  # only for families as YAML, and for who serves
    imported = set()
    for path in [*(LIBRARY / "agent").rglob("*.py"), *(LIBRARY / "runtime").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"numpy"} | runtimes


def test_the_board_s_end_needs_the_standard_library_of_python_3_8_only():
    imported = set()
    for path in (LIBRARY / "board_end").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(), feature_version=(3, 8))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"edgeproof"}  # the agent that was sent


def test_package_files_are_empty():
    assert [str(path) for path in LIBRARY.rglob("__init__.py") if path.read_text().strip()] == []


def list_bound(path):
    """Return every name that a file binds: functions, classes, variables, imports."""
    nodes = list(ast.walk(parse(path)))
    bound = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    imports = (node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom))
    return bound | {alias.asname or alias.name for node in imports for alias in node.names}


def test_what_is_imported_of_ours_is_there():
    """Type checkers leave imports alone that they cannot find, since a board or a toolchain may have them."""
    bound = {name_module(path): list_bound(path) for path in FILES}
    lost = [
        f"{path.name}: {node.module}.{alias.name}"
        for path in FILES + SCRIPTS
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edgeproof.")
        for alias in node.names
        if alias.name not in bound.get(node.module, ()) and f"{node.module}.{alias.name}" not in bound
    ]
    assert lost == []


def test_what_only_its_own_module_uses_is_private():
    """A public name is one that somebody else may rely on: another file, a rule, a template or a test."""
    places = [
        *ROOT.glob("scripts/**/*.py"),
        *ROOT.glob("scripts/**/*.j2"),
        *ROOT.glob("rules/*.smk"),
        ROOT / "Snakefile",
    ]
    users = collections.Counter(
        word for path in [*places, *ROOT.glob("tests/**/*.py")] for word in set(re.findall(r"\w+", path.read_text()))
    )
    assert [(module, f.name) for module, f in list_public() if "." not in f.name and users[f.name] < 2] == []


def test_no_dynamic_imports():
    pattern = re.compile(r"importlib\.import_module|__import__\(")
    assert [str(p) for p in (ROOT / "scripts").rglob("*.py") if pattern.search(p.read_text())] == []


def test_scripts_are_thin():
    assert [p.name for p in (ROOT / "scripts").glob("*.py") if len(p.read_text().splitlines()) > 45] == []


def test_modules_are_short():
    assert [name_module(p) for p in FILES if len(p.read_text().splitlines()) > 400] == []


def test_functions_take_seven_parameters_at_most():
    found = [(path.name, function) for path in FILES + SCRIPTS for function in list_functions(path)]
    assert {f"{name}: {f.name}": f.parameters for name, f in found if len(f.parameters) > 7} == {}


def list_public():
    """Return (module, function) of every public function of the library."""
    return [(name_module(path), f) for path in FILES for f in list_functions(path) if f.public]


def test_every_public_function_is_annotated():
    assert [f"{module}.{f.name}" for module, f in list_public() if not f.annotated] == []


@functools.cache
def list_documented():
    """Return {class: (bases, names of its documented methods)} of the library."""
    return {name: documented for path in FILES for name, documented in list_classes(path).items()}


def test_every_public_function_is_documented():
    """A method that overrides a documented one of the library needs no words of its own."""
    assert [f"{module}.{f.name}" for module, f in list_public() if not f.documented and not is_inherited(f)] == []


def is_inherited(function):
    """Tell whether a class above that of a method documents a method of this name."""
    classes = list(function.bases)
    for name in classes:  # grows by the bases of the bases
        bases, documented = list_documented().get(name, ((), ()))
        if function.name.rpartition(".")[2] in documented:
            return True
        classes += [base for base in bases if base not in classes]
    return False


@pytest.mark.parametrize("kind", [kind for kind in SCHEMA_KINDS if kind != "scenario"])  # tells v1 from v2, no more
def test_every_schema_is_strict(kind):
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

    assert list(loose(load_schema(kind), kind)) == []


@pytest.mark.parametrize("kind", sorted(CATALOGUES))
def test_shipped_configuration_satisfies_its_schema(kind):
    assert read_catalogue(kind, ROOT / "config")


def test_campaigns_are_shipped():
    assert {path.stem for path in CAMPAIGNS} >= {"config", "fake", "jetson", "rpi"}


@pytest.mark.parametrize("path", CAMPAIGNS, ids=lambda path: path.stem)
def test_every_shipped_campaign_expands(path):
    """As Snakemake reads it: the campaign's file over `config.yaml`, key by key."""
    catalogues = {kind: read_catalogue(kind, ROOT / "config") for kind in CATALOGUES}
    files = dict.fromkeys([ROOT / "config/config.yaml", path])
    campaign = expand_campaign_files(read_campaign_files(list(files)), catalogues)
    assert campaign.name == ("demo" if path.stem == "config" else path.stem) and campaign.cells


def test_configuration_page_says_what_the_schemas_say():
    page = (ROOT / "config/README.md").read_text()
    assert render_page(page) == page, "run `make docs`"


def test_another_lock_is_another_environment_for_conda():
    script = (ROOT / "envs/edgeproof.post-deploy.sh").read_text()
    digest = hashlib.sha256((ROOT / "envs/edgeproof.lock").read_bytes()).hexdigest()
    assert f"\n# lock: {digest}\n" in script, "run `make lock`"


def test_profiles_are_reachable_by_their_literal_name():
    for profile in ("local", "jetson", "rpi", "cluster"):
        assert (ROOT / profile).is_symlink() and (ROOT / profile / "config.v9+.yaml").exists()
    assert not (ROOT / "profiles/default").exists()  # it would be loaded silently and override the others


@pytest.mark.parametrize("kind", SCHEMA_KINDS)
def test_every_schema_is_valid_and_its_marker_is_ours(kind):
    rules = jsonschema.Draft202012Validator(jsonschema.Draft202012Validator.META_SCHEMA)
    assert list(rules.iter_errors(load_schema(kind))) == []
    marker = load_schema(kind).get("properties", {}).get("schema", {}).get("const", "edgeproof.")
    assert marker.startswith("edgeproof.")


def test_rules_are_thin():
    assert len((ROOT / "rules/common.smk").read_text().splitlines()) <= 150
    rooms = {path.stem for path in (ROOT / "rules").glob("*.smk")} - {"common"}
    assert rooms <= set(ROOMS)


def test_no_message_of_a_job_can_end_it():
    """What is printed while something is measured or built goes through `tell`: its reader may be gone.

    The verbs of the command line print for who has started them.
    """
    rooms = ("agent", "remote", *ROOMS[: ROOMS.index("plans") + 1])
    files = [path for room in rooms for path in sorted((LIBRARY / room).rglob("*.py"))]
    verbs = ("__main__", "cli", "plan_verbs", "recipe_program", "messages")
    printing = [
        f"{path.name}:{node.lineno}"
        for path in files
        if path.stem not in verbs
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Attribute) and node.attr == "stderr" and ast.unparse(node) == "sys.stderr"
    ]
    assert len(files) > 100 and printing == []
