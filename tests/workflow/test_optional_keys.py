"""Every optional key of every configuration schema is set once and left out once, and what it reaches still runs.

The keys are read from the schemas; `tests/data/optional_keys.yaml` sets each. What is left out is collected in a few
campaigns: Snakemake says which commands they take, each script's own parser reads its command, and what needs no
toolchain runs.
"""

import argparse
import contextlib
import copy
import importlib.util
import io
import json
import os
import re
import shlex
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
import yaml
from edgeproof.artifacts.records.formats import FORMATS, list_build_options
from edgeproof.core.campaign import expand_campaign
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.documents import load_schema, validate
from edgeproof.core.errors import UserError
from edgeproof.core.job_options import take_key
from edgeproof.sources import diabetes_mlp, digits_cnn

from .conftest import REPOSITORY, copy_repository

pytestmark = pytest.mark.workflow
FULL = yaml.safe_load((REPOSITORY / "tests/data/optional_keys.yaml").read_text())
# What runs here, in this order; the others need a toolchain, a board, or all that a campaign makes, and are only read.
SCRIPTS = (
    *("copy_model", "recipe_digits_cnn", "recipe_diabetes_mlp", "recipe_onnx_light", "identify_model", "make_samples"),
    *("build_fake", "build_onnx", "check_parity", "measure_run", "judge_pair", "measure_pairs", "report_comparison"),
    *("judge_regression", "decide_deployment"),
)
ELSEWHERE = re.compile(r"results/(toolchains|plans)/|/(cut|chained|behind)-")
# Optional by the schema, since only some metrics need it; without it there is one line.
NEEDED = {"regime"}
# Optional by the schema, and required as soon as another key has a certain value: nothing is left to leave out.
REQUIRED_BESIDE = {"/properties/runtime/properties/command", "/properties/samplers/items/properties/file"}
RUNS_HERE = ("fake", "ort-full")
# Models that name labels, programs and artifacts of a user's: their commands are read and not run.
ONLY_READ = ("own-detector", "own-evaluator", "own-selection", "own-shapes", "own-tensorflow", "own-torch")
# A device behind ssh has a host, and any other has none.
TIED = {"/properties/host"}
# A side of a comparison that names a file of `results/`, which has to be there: test_baselines.py has it.
STORED = {"/$defs/side/properties/artifact", "/$defs/side/properties/baseline"}
# A variant of a family has one of two keys; documents with either are among the full ones.
ONE_OF_TWO = {
    f"/properties/variants/patternProperties/^[A-Za-z0-9][A-Za-z0-9_.-]*$/properties/{key}" for key in ("path", "cell")
}
ONE_OF_TWO |= {f"/$defs/task/properties/{key}" for key in ("detection", "evaluator")}  # and so has a task


def list_keys(schema):
    """Return the pointers `/…/properties/key` of a schema's optional keys: what a closed object does not require."""
    found = set()

    def visit(node, pointer):
        if isinstance(node, list):
            for number, item in enumerate(node):
                visit(item, f"{pointer}/{number}")
        if not isinstance(node, dict):
            return
        if node.get("additionalProperties") is False:
            properties = node.get("properties", {})
            found.update(
                f"{pointer}/properties/{k}" for k, v in properties.items() if v and k not in node.get("required", ())
            )
        for key, item in node.items():
            visit(item, f"{pointer}/{key}")

    visit(schema, "")
    return found


def list_optional(kind):
    """Return the pointers of all keys that some file of a kind can do without."""
    keys = list_keys(load_schema(kind)) - REQUIRED_BESIDE
    if kind != "preset":
        return keys
    options, needed = {}, {}
    for artifact in FORMATS:
        definition = load_schema(kind)["$defs"][artifact]["properties"]
        options[artifact] = set(definition["build"]["properties"])
        offered = definition["precisions"]["items"]["enum"]
        needed[artifact] = set.intersection(*(list_build_options(artifact, precision) for precision in offered))
        keys -= {f"/$defs/{artifact}/properties/build/properties/{option}" for option in needed[artifact]}
    for option in set().union(*needed.values()):
        if all(option in needed[artifact] for artifact in FORMATS if option in options[artifact]):
            keys -= {f"/$defs/build/properties/{option}"}
    return keys


def find_keys(document, schema):
    """Yield (path in the document, pointer in the schema) of every optional key that the document sets."""

    def visit(value, node, pointer, path):
        if node is True:
            return
        if "$ref" in node:
            pointer, target = node["$ref"][1:], schema
            for part in pointer.strip("/").split("/"):
                target = target[part]
            yield from visit(value, target, pointer, path)
        if "then" in node and jsonschema.Draft202012Validator(node["if"]).is_valid(value):
            yield from visit(value, node["then"], f"{pointer}/then", path)
        for number, branch in enumerate(node.get("anyOf", ())):
            if jsonschema.Draft202012Validator({**branch, "$defs": schema.get("$defs", {})}).is_valid(value):
                yield from visit(value, branch, f"{pointer}/anyOf/{number}", path)
        for number, branch in enumerate(node.get("allOf", ())):
            if "if" not in branch:
                yield from visit(value, branch, f"{pointer}/allOf/{number}", path)
            elif "then" in branch and jsonschema.Draft202012Validator(branch["if"]).is_valid(value):
                yield from visit(value, branch["then"], f"{pointer}/allOf/{number}/then", path)
        for number, item in enumerate(value if isinstance(value, list) and "items" in node else ()):
            yield from visit(item, node["items"], f"{pointer}/items", (*path, number))
        if not isinstance(value, dict):
            return
        for key, item in value.items():
            inner = {f"properties/{key}": node.get("properties", {}).get(key)}
            inner |= {
                f"patternProperties/{p}": v for p, v in node.get("patternProperties", {}).items() if re.search(p, key)
            }
            for place, child in inner.items():
                if not child:  # unknown here, or forbidden
                    continue
                if place.startswith("properties") and key not in node.get("required", ()) and child:
                    yield (*path, key), f"{pointer}/{place}"
                yield from visit(item, child, f"{pointer}/{place}", (*path, key))

    yield from visit(document, schema, "", ())


def lay_over(base, changes):
    """Return a document with changes laid over it; another `kind` replaces the whole mapping."""
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        inner = merged.get(key)
        same = isinstance(inner, dict) and isinstance(value, dict) and inner.get("kind") == value.get("kind")
        merged[key] = lay_over(inner, value) if same else value
    return merged


def leave_out(document, path):
    """Return a copy of the document without the key at `path`."""
    shorter = copy.deepcopy(document)
    inner = shorter
    for part in path[:-1]:
        inner = inner[part]
    del inner[path[-1]]
    return shorter


def read_full(kind):
    """Return {name: document in which optional keys of this kind are set}."""
    shipped = read_catalogue(kind, REPOSITORY / "config") if kind in CATALOGUES else {}
    return {
        name: lay_over(shipped[changes["base"]], {k: v for k, v in changes.items() if k != "base"})
        if "base" in changes
        else changes
        for name, changes in FULL[kind].items()
    }


def is_valid(document, kind):
    with contextlib.suppress(UserError):
        validate(document, kind, kind)
        return True
    return False


def choose_variants(kind, accepts=lambda document: True):
    """Return {pointer: (name of the full document, path, document without that key)}: the first that is accepted."""
    schema, optional, chosen = load_schema(kind), list_optional(kind), {}
    for name, document in read_full(kind).items():
        for path, pointer in find_keys(document, schema):
            if pointer in chosen or pointer not in optional:
                continue
            shorter = leave_out(document, path)
            if is_valid(shorter, kind) and accepts(shorter):
                chosen[pointer] = name, path, shorter
    return chosen


def expands(document, catalogues):
    """Return whether a campaign can be expanded; what it lacks is said in one line."""
    try:
        return bool(expand_campaign(document, catalogues).cells)
    except UserError as error:
        assert "\n" not in str(error)
        return False


def group_campaigns(catalogues):
    """Return few campaigns in which together every optional key of a campaign is left out."""
    (full,) = read_full("campaign").values()
    groups = []
    for _, path, _ in choose_variants("campaign", lambda document: expands(document, catalogues)).values():
        for number, group in enumerate(groups):
            with contextlib.suppress(KeyError):
                shorter = leave_out(group, path)
                if is_valid(shorter, "campaign") and expands(shorter, catalogues):
                    groups[number] = shorter
                    break
        else:
            groups.append(leave_out(full, path))
    return {f"campaign-{number}": group | {"campaign": f"campaign-{number}"} for number, group in enumerate(groups)}


class Variants:
    """A copy of the repository with a file for each document that lacks one key, and the campaigns that use them."""

    def __init__(self, root):
        self.workspace = copy_repository(root)
        self.names, self.left_out = {}, {}
        for kind in sorted(set(FULL) - {"campaign"}):
            self.names[kind] = []
            for number, (name, path, document) in enumerate(choose_variants(kind).values()):
                variant = f"{name}-{number:02d}"
                self.left_out[variant] = path
                self.names[kind].append(variant)
                self.write(kind, variant, document)
            for name, document in read_full(kind).items():
                self.write(kind, name, document)
        self.workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
        catalogues = {kind: read_catalogue(kind, self.workspace.root / "config") for kind in CATALOGUES}
        self.campaigns = {"optional": self.combine(catalogues), **self.list_short(), **group_campaigns(catalogues)}
        for name, document in self.campaigns.items():
            self.workspace.write(f"config/{name}.yaml", json.dumps(document))

    def write(self, kind, name, document):
        self.workspace.write(f"config/{CATALOGUES[kind]}/{name}.yaml", json.dumps(document))

    def combine(self, catalogues):
        """Return the campaign that uses every variant of every other kind."""
        (protocol, *_), (policy,) = self.names["protocol"], self.names["regression-policy"]
        first = {"campaign": "optional", "policy": "strict", "devices": ["local"], "protocol": protocol}
        matrices = [{"models": self.names["model"], "presets": ["fake"], "precisions": ["fp32"]}]
        for name in self.names["preset"]:
            offered = catalogues["preset"][name]["precisions"]
            matrices.append({"models": ["digits-cnn"], "presets": [name], "precisions": offered[:1]})
        for preset in ("fake", "tensorrt-full"):
            place = {"presets": [preset], "devices": self.names["device"]}
            matrices.append({"models": ["digits-cnn"], "precisions": ["fp32"], **place})
        pair = {"left": {"model": "digits-cnn", "preset": "fake", "precision": "fp32"}, "right": {}, "pairs": 4}
        comparisons = [{"name": name, "criteria": name, **pair} for name in self.names["criteria"]]
        rest = {"matrices": matrices, "comparisons": comparisons, "regressions": {"policy": policy}}
        pipelines = [
            name for name in self.names["pipeline"] if expands({**first, **rest, "pipelines": [name]}, catalogues)
        ]
        kinds = {"families": "family", "policies": "selection", "traces": "trace"}
        replayed = {key: self.names[kind][: None if kind == "family" else 1] for key, kind in kinds.items()}
        return first | rest | {"pipelines": pipelines, "adaptation": replayed}

    def list_short(self):
        """Return a small campaign for each other variant of the protocol, of which a campaign has one."""
        (full,) = read_full("campaign").values()
        small = {key: full[key] for key in ("policy", "devices", "matrices", "comparisons")}
        names = self.names["protocol"][1:]
        return {name: {"campaign": name, "protocol": name, **small} for name in names}

    def list_commands(self):
        """Return {campaign: commands of all its jobs}."""

        def ask(name):
            done = self.workspace.snakemake("-n", "-p", "--replace-workflow-config", config=f"config/{name}.yaml")
            assert done.returncode == 0, f"{name}: {done.stdout[-3000:]}"
            return re.findall(r"^Shell command: python (scripts/\S+ .*?) 2>&1 \| tee ", done.stdout, re.M)

        with ThreadPoolExecutor(2) as pool:
            return dict(zip(self.campaigns, pool.map(ask, self.campaigns), strict=True))


class Read(Exception):
    """A command line has been read."""


def load_main(script, known={}):  # noqa: B006, one module per script
    if script not in known:
        spec = importlib.util.spec_from_file_location(Path(script).stem, REPOSITORY / script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        known[script] = module.main
    return known[script]


def read_command(command):
    """Raise AssertionError unless the script's own parser can read its command line."""
    script, *words = shlex.split(command)
    argv, _ = take_key(words)
    parse = argparse.ArgumentParser.parse_args

    def stop(parser, *arguments):
        parse(parser, *arguments)
        raise Read

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with contextlib.suppress(Read):
            try:
                load_main(script)(argv)
            except SystemExit:
                raise AssertionError(f"{command}\n{said.getvalue()}") from None


@pytest.fixture(scope="module")
def variants(tmp_path_factory):
    return Variants(tmp_path_factory.mktemp("optional") / "edgeproof")


@pytest.fixture(scope="module")
def commands(variants):
    return variants.list_commands()


@pytest.mark.parametrize("kind", sorted(FULL))
def test_every_optional_key_is_set_and_can_be_left_out(kind):
    schema = load_schema(kind)
    documents = read_full(kind)
    assert [name for name, document in documents.items() if not is_valid(document, kind)] == []
    pointers = {pointer for document in documents.values() for _, pointer in find_keys(document, schema)}
    assert list_keys(schema) - pointers - STORED == set()
    tied = TIED if kind == "device" else set()
    assert list_optional(kind) - set(choose_variants(kind)) - STORED - ONE_OF_TWO - tied == set()


def test_every_schema_of_the_configuration_has_full_documents():
    assert set(FULL) == {*CATALOGUES, "campaign"}


@pytest.mark.campaign  # half a minute
def test_every_key_of_a_campaign_can_be_left_out(variants):
    groups = group_campaigns({kind: read_catalogue(kind, variants.workspace.root / "config") for kind in CATALOGUES})
    (full,) = read_full("campaign").values()
    schema = load_schema("campaign")
    everything = {path for path, pointer in find_keys(full, schema)}
    kept = [{path for path, _ in find_keys(group, schema)} for group in groups.values()]
    lost = {pointer for path, pointer in find_keys(full, schema) if any(path not in paths for paths in kept)}
    assert lost == list_keys(schema) - STORED and everything
    assert len(groups) <= 5  # each costs a start of Snakemake


@pytest.mark.campaign  # half a minute
def test_each_script_can_read_the_command_of_its_rule(commands):
    scripts = set()
    for command in dict.fromkeys(command for listed in commands.values() for command in listed):
        read_command(command)
        scripts.add(command.split()[0])
    assert {"scripts/copy_model.py", "scripts/build_tensorrt.py", "scripts/write_scenario.py"} <= scripts


def reaches(name, path, script):
    """Return whether a script is one that the key left out of a variant decides about; the rest would repeat others."""
    if name.startswith(("own-recipe", "own-regression", "own-light")):
        return script.startswith("recipe") or script == "identify_model"
    last = {"build": "build_onnx", "parity": "check_parity"}.get(path[0], SCRIPTS[-1])
    return SCRIPTS.index(script) <= SCRIPTS.index(last)


@pytest.mark.campaign  # half a minute
def test_what_runs_here_runs_without_the_key(variants, commands, monkeypatch, tmp_path):
    monkeypatch.chdir(variants.workspace.root)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where a device without `lock` has its lock
    monkeypatch.setattr(tempfile, "tempdir", None)
    for recipe in (digits_cnn, diabetes_mlp):
        monkeypatch.setattr(recipe, "EPOCHS", 1)  # the default, in a second
    campaigns = ["optional", *variants.names["protocol"][1:]]
    jobs = [(Path(command.split()[0]).stem, command) for name in campaigns for command in commands[name]]
    jobs = [(script, command) for script, command in jobs if script in SCRIPTS and not ELSEWHERE.search(command)]
    refused, ran = {}, set()
    for script, command in sorted(jobs, key=lambda job: SCRIPTS.index(job[0])):
        named = {name for name in variants.left_out if re.search(rf"\b{name}\b", command)}
        presets = re.findall(r"results/(?:artifacts|runs)/[^/]+/([^/]+)/", command)
        if named & set(refused) or not all(preset.startswith(RUNS_HERE) for preset in presets):
            continue
        if any(name in command for name in ONLY_READ):
            continue
        if not all(reaches(name, variants.left_out[name], script) for name in named):
            continue
        for path in re.findall(r"results/\S+", command):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            assert load_main(f"scripts/{script}.py")(take_key(shlex.split(command)[1:])[0]) in (None, 0), command
        except UserError as error:  # a key that this combination needs is named, in one line
            missing = [name for name in named if str(variants.left_out[name][-1]) in str(error)]
            assert missing, f"{command}\n{error}"
            refused |= {name: str(error) for name in missing}
        ran |= named
    assert {variants.left_out[name][-1] for name in refused} <= NEEDED, refused
    for kind in ("model", "device", "protocol", "criteria"):
        assert {name for name in variants.names[kind] if not name.startswith(("behind-", *ONLY_READ))} <= ran, kind
    assert {name for name in variants.names["preset"] if name.startswith(RUNS_HERE)} <= ran
