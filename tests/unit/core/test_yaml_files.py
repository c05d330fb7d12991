"""YAML of somebody else: what it stands for is counted before it is built, and whatever is wrong is one line."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.yaml_files import parse_yaml, read_yaml
from edgeproof.runtime.variants import FamilyYamlError, ModelFamily


def alias_bomb(levels):
    """Return a text of a few hundred bytes that stands for 9 ** levels values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def merge_bomb(levels):
    """Return a text whose mappings are merged into one another, nine times each."""
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


HOSTILE = {
    "aliases": (alias_bomb(12), "stands for more than 100000 values"),
    "merges": (merge_bomb(12), "stands for more than 100000 values"),
    "too deep": ("a: " + "[" * 20_000, "nests deeper than 64"),
    "too deep in blocks": ("\n".join(" " * n + "a:" for n in range(200)), "nests deeper than 64"),
    "too deep in a sequence": ("- " * 20_000 + "x", "nests deeper than 64"),
    "too many": ("[" + "x, " * 200_000 + "]", "stands for more than 100000 values"),
    "itself": ("a: &a [1, *a]", r"\*a stands for something that holds it"),
    "itself by name": ("&a {b: {c: *a}}", r"\*a stands for something that holds it"),
    "a number without end": ("a: " + "9" * 10_000, "too large for a number"),
    "an alias of nothing": ("a: *b", "undefined alias"),
    "bomb behind a mistake": (alias_bomb(12) + "b: [\n", "stands for more than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_stands_for_too_much_is_refused_in_a_line(name, tmp_path):
    text, message = HOSTILE[name]
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(path, "policy")
    assert str(caught.value).startswith(f"{path}:") and "\n" not in str(caught.value)


def test_aliases_of_a_campaign_are_what_they_stand_for():
    assert parse_yaml("a: &a {x: [1, 2]}\nb: [*a, *a]\n", "here") == {"a": {"x": [1, 2]}, "b": [{"x": [1, 2]}] * 2}


@pytest.mark.parametrize("name", ["too deep.yaml", "too deep.json", "number.yaml"])
def test_a_family_for_a_board_is_refused_in_a_line(name, tmp_path):
    texts = {"too deep.yaml": "a: " + "[" * 3_000, "too deep.json": "[" * 200_000, "number.yaml": "a: " + "9" * 10_000}
    path = tmp_path / name
    path.write_text(texts[name])
    with pytest.raises(FamilyYamlError, match="not valid"):
        ModelFamily.from_yaml(path)
