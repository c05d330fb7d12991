"""Rules: one key per job and nothing else in params, and no option loses its value to an empty input.

Snakemake's `:q` makes no word of an empty value, so that an option would take the next one for its own.
"""

import argparse
import ast
import importlib.util
import re
from pathlib import Path

import pytest
from edgeproof.core import layout
from edgeproof.workflow.job_keys import JobKeys
from edgeproof.workflow.phase_keys import PhaseKeys

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("rules/*.smk"))
# The modules whose objects (CELLS, STAGES, TARGETS) the rules ask.
QUESTIONS = [ROOT / f"scripts/edgeproof/core/{name}.py" for name in ("campaign", "cells", "stages", "targets")]
# How many words a value gives, and how often its option may be given so many (`nargs` of argparse).
ONE, MANY, PERHAPS_NONE = 0, 1, 2
ACCEPTS = {None: ONE, "+": MANY, "*": PERHAPS_NONE, "?": PERHAPS_NONE}
# What is never empty: the margin of a comparison is a number, and calls of `core.layout` make paths.
NEVER_EMPTY = {"str", "dumps", "dict", "margin", *(name for name in vars(layout) if not name.startswith("_"))}
OPTION = re.compile(r"(--[a-z0-9-]+)[ =]\{(\w+)(?:\.(\w+))?([^}]*)\}")


def read_rules(text):
    """Return {rule: {section: its arguments as an `ast.Call`}} of a rule file; `use rule` inherits."""
    rules, blocks = {}, re.split(r"^(?=(?:use )?rule )", text, flags=re.M)
    for block in blocks[1:]:
        head = block.splitlines()[0]
        name = re.search(r"as (\w+)", head) or re.search(r"rule (\w+)", head)
        parent = re.match(r"use rule (\w+)", head)
        sections = dict(rules[parent[1]]) if parent else {}
        body = re.split(r"^(?=\S)", block[len(head) + 1 :], flags=re.M)[0]
        for part in re.split(r"^    (?=\w+:)", body, flags=re.M)[1:]:
            section, _, arguments = part.partition(":")
            sections[section] = ast.parse(f"f({arguments.strip()}\n)").body[0].value
        rules[name[1]] = sections
    return rules


def read_functions(texts):
    """Return {name: what it returns, as expressions} of the functions and constants that rule files define."""
    found = {}
    for text in texts:
        for block in re.findall(r"^def .*\n(?:(?:[ \t].*)?\n)*", text, flags=re.M):
            function = ast.parse(block).body[0]
            found[function.name] = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
        for line in re.findall(r"^[A-Z_]+ = [^\[{(\n]+$", text, flags=re.M):
            statement = ast.parse(line).body[0]
            found[statement.targets[0].id] = [statement.value]
    return found


def count_words(value, functions):
    """Return ONE, MANY (one or more) or PERHAPS_NONE for an expression; what is not understood may be empty."""
    match value:
        case ast.Constant():
            return ONE if value.value not in (None, "") else PERHAPS_NONE
        case ast.JoinedStr():
            return min((count_words(part, functions) for part in value.values), default=PERHAPS_NONE)
        case ast.FormattedValue():
            return PERHAPS_NONE
        case ast.Lambda():
            return count_words(value.body, functions)
        case ast.Subscript():
            return ONE  # a key that is missing is an error, no empty value
        case ast.IfExp():
            return max(count_words(value.body, functions), count_words(value.orelse, functions))
        case ast.BoolOp(op=ast.Or()):
            return count_words(value.values[-1], functions)
        case ast.BinOp(op=ast.Add()):
            return min(count_words(value.left, functions), count_words(value.right, functions))
        case ast.ListComp():
            return PERHAPS_NONE if any(loop.ifs for loop in value.generators) else MANY
        case ast.List():
            return MANY if value.elts else PERHAPS_NONE
        case ast.Call(func=ast.Name(id="list"), args=[ast.Call(func=ast.Name(id="map"))]):
            return MANY
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) | ast.Name(id=name) | ast.Attribute(attr=name):
            if name in functions:
                return max((count_words(item, functions) for item in functions[name]), default=PERHAPS_NONE)
            return ONE if name in NEVER_EMPTY else PERHAPS_NONE
    return PERHAPS_NONE


def read_nargs(script):
    """Return {option: nargs} of a script's own parser."""

    class Read(Exception):
        pass

    def stop(parser, *_):
        raise Read({name: action.nargs for name, action in parser._option_string_actions.items()})

    spec = importlib.util.spec_from_file_location(Path(script).stem, ROOT / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Read) as read:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        module.main([])
    return read.value.args[0]


def find_lost_options(text, functions, nargs_of=read_nargs):
    """Return (options looked at, "rule: option value" of each that may be given fewer words than it takes)."""
    seen, lost = 0, []
    for rule, sections in read_rules(text).items():
        if "shell" not in sections:
            continue
        command = ast.literal_eval(sections["shell"].args[0])
        script = re.match(r"python (scripts/\w+\.py) ", command)
        known = nargs_of(script[1]) if script else {}
        for option, section, name, _ in OPTION.findall(command):
            seen += 1
            if section == "input":
                values = {item.arg: item.value for item in sections[section].keywords}
                words = count_words(values[name], functions)
                if words > ACCEPTS[known.get(option)]:
                    lost.append(f"{rule}: {option} {section}.{name}")
    return seen, lost


@pytest.fixture(scope="module")
def functions():
    found = read_functions(path.read_text() for path in FILES)
    for path in QUESTIONS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                found[node.name] = [item.value for item in ast.walk(node) if isinstance(item, ast.Return)]
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                found.setdefault(node.targets[0].id, [node.value])
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_option_whose_value_may_be_empty_is_composed_whole(path, functions):
    text = path.read_text()
    seen, lost = find_lost_options(text, functions)
    assert lost == []
    assert seen >= text.count("\nrule ")


KEYS = {"KEYS": JobKeys, "PHASES": PhaseKeys}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_params_hold_the_key_of_the_job_and_nothing_else(path):
    """Snakemake compares params as a set without names, and records none that asks for input or output."""
    rules = read_rules(path.read_text())
    assert len(rules) >= path.read_text().count("\nrule ")
    for rule, sections in rules.items():
        params = {item.arg: ast.unparse(item.value) for item in sections["params"].keywords}
        script = params.pop("script", None)  # of a recipe, whose code is in its key
        assert script is None or rule == "run_recipe"
        assert list(params) == ["key"], rule
        call = re.fullmatch(r"lambda wildcards: as_json\((KEYS|PHASES)\.(\w+)\(wildcards\)\)", params["key"])
        assert call and hasattr(KEYS[call[1]], call[2]), f"{rule}: {params['key']}"
        command = ast.literal_eval(sections["shell"].args[0])
        assert "--key {params.key:q} --made {output" in command and "{wildcards" not in command, rule


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_file_of_the_repository_is_an_input(path):
    """Their times would decide; digests of their bytes or values are in the keys."""
    rules = read_rules(path.read_text())
    assert len(rules) >= path.read_text().count("\nrule ")
    for rule, sections in rules.items():
        inputs = ast.unparse(sections["input"]) if "input" in sections else ""
        assert not re.search(r"\b(scripts|config)/|list_code|list_agent", inputs), rule


def test_what_holds_a_device_asks_for_the_time_of_day_first():
    """Snakemake removes a result that is older than its inputs, and the device's minutes would be lost."""
    holding = [
        sections
        for path in FILES
        for sections in read_rules(path.read_text()).values()
        if "device_slots" in ast.unparse(sections.get("resources", ast.Constant("")))
    ]
    assert len(holding) >= 9
    for sections in holding:
        script = re.match(r"python (scripts/\w+\.py) ", ast.literal_eval(sections["shell"].args[0]))
        assert "    require_order(" in (ROOT / script[1]).read_text(), script[1]


RULE = """
rule copy:
    input:
        source="here",
        files=lambda wildcards: some(wildcards),
    shell:
        "python scripts/copy_model.py --source {{input.source:q}}"
        " {option}"
"""


@pytest.mark.parametrize(
    ("option", "lost"),
    [("--output {input.files:q}", True), ("--many {input.files:q}", False), ("--output {input.source:q}", False)],
)
def test_the_reader_of_rules_sees_what_may_be_empty(option, lost, functions):
    functions = functions | {"some": [ast.parse("[a for a in b if a]").body[0].value]}
    _, found = find_lost_options(RULE.format(option=option), functions, lambda script: {"--many": "*"})
    assert bool(found) == lost
