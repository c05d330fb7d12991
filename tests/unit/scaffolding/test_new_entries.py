"""`edgeproof new device` and `new preset`: commented YAML that its schema accepts."""

import shutil

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.yaml_files import read_yaml
from edgeproof.scaffolding.cli import main
from edgeproof.scaffolding.commented_yaml import render_entry


@pytest.fixture
def root(tmp_path):
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    return tmp_path


def test_a_device_with_every_option(root, capsys):
    options = ["--board", "Orin: Nano", "--board-contains", "orin", "--interpreter", "/usr/bin/python3"]
    assert main(["device", "orin", *options, "--lock", "/run/lock/x", "--timeout-s", "900"], root) == 0
    document = read_yaml(root / "config/devices/orin.yaml", "device")
    assert document["board"] == "Orin: Nano" and document["board_contains"] == "orin" and document["timeout_s"] == 900
    assert document["interpreter"] == "/usr/bin/python3" and document["lock"] == "/run/lock/x"
    assert "# Python that runs the agent; null: the workflow's own." in (root / "config/devices/orin.yaml").read_text()
    assert f"wrote {root}/config/devices/orin.yaml" in capsys.readouterr().out


def test_a_device_with_none(root):
    main(["device", "board"], root)
    assert read_yaml(root / "config/devices/board.yaml", "device")["interpreter"] is None


@pytest.mark.parametrize("source", [path.stem for path in sorted((REPOSITORY / "config/presets").glob("*.yaml"))])
def test_a_preset_says_what_the_one_says_that_it_was_made_from(root, source):
    main(["preset", "mine", "--from", source], root)
    new, old = (read_yaml(root / f"config/presets/{name}.yaml", "preset") for name in ("mine", source))
    assert {**new, "description": ""} == {**old, "description": ""}


def test_values_of_a_preset_are_set(root):
    main(
        ["preset", "ort-3t", "--from", "ort-cpu", "--set", "runtime.intra_op_threads=3", "--set", "precisions=[fp32]"],
        root,
    )
    document = read_yaml(root / "config/presets/ort-3t.yaml", "preset")
    assert document["runtime"]["intra_op_threads"] == 3 and document["precisions"] == ["fp32"]
    assert "runtime.intra_op_threads=3" in document["description"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["preset", "mine", "--from", "ort"], r"'ort' is not a preset in config/presets/"),
        (["preset", "ort-cpu", "--from", "ort-cpu"], r"config/presets/ort-cpu.yaml: exists already"),
        (["preset", "mine", "--from", "ort-cpu", "--set", "runtime"], r"--set runtime: KEY=VALUE is needed"),
        (["preset", "mine", "--from", "ort-cpu", "--set", "nothing.x=1"], r"--set nothing\.x=1: KEY=VALUE is needed"),
        (["preset", "mine", "--from", "ort-cpu", "--set", "runtime.thread=1"], r"config/presets/mine.yaml: .*'thread'"),
        (["preset", "mine", "--from", "ort-cpu", "--set", "backend=litert"], r"config/presets/mine.yaml: backend"),
        (["device", "local"], r"config/devices/local.yaml: exists already"),
        (["device", "My Board"], r"'My Board' cannot be a name; .* such as my-board"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_leaves_nothing(root, arguments, message):
    before = sorted(root.rglob("*"))
    with pytest.raises(UserError, match=message):
        main(arguments, root)
    assert sorted(root.rglob("*")) == before


def test_comments_are_the_words_of_the_schema():
    text = render_entry({"description": "x", "board": "y", "transport": "local"}, "device", "A head.", "here")
    assert text.startswith('# A head.\n# One line for people.\ndescription: "x"\n# Name of the board')
