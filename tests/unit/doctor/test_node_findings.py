"""What the doctor says of a node of a Slurm cluster, with stand-ins for Slurm's programs."""

import platform
import sys

import pytest
from edgeproof.core.campaign_nodes import Node
from edgeproof.doctor.findings import Place
from edgeproof.doctor.node_findings import inspect_node

NODE = Node("orin", "board:1", 6)
LISTED = """jet1|idle|6|jetson,orin|gpu:1,board:1
berry|down*|4|pi|board:1
bare|idle|4|bare|(null)
twin1|idle|4|twin|board:1
twin2|idle|4|twin|board:1"""
RUNS_IT = 'while [ "${1#--}" != "$1" ]; do shift; done; exec "$@"'  # what srun does on a node that shares this folder


@pytest.fixture
def ask(tmp_path, monkeypatch):
    """Return a function that asks of a node; `srun`: the shell text that stands for it."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tmp_path / "root").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    def ask(node=NODE, srun=RUNS_IT, sinfo=f"cat <<'END'\n{LISTED}\nEND"):
        for name, text in (("sinfo", sinfo), ("srun", srun)):
            (tools / name).write_text(f"#!/bin/sh\n{text}\n")
            (tools / name).chmod(0o755)
        found = list(inspect_node(node, Place(tools=str(tools)), tmp_path / "root"))
        assert list((tmp_path / "root").rglob(".doctor-*")) == []
        return [(item.state, item.name, f"{item.text}; {item.remedy}") for item in found]

    return ask


def test_a_node_that_shares_this_folder(ask):
    slurm, shared, scratch = ask()
    assert slurm[0] == "good" and "jet1 is orin: idle, 6 CPUs" in slurm[2]
    assert shared[0] == "good" and f"runs its Python ({platform.machine()})" in shared[2]
    assert scratch[:2] == ("absent", "scratch") and "TMPDIR" in scratch[2]  # here both are one file system


@pytest.mark.parametrize(
    ("node", "told"),
    [
        (Node("orni", "board:1", 6), "no node has the feature 'orni'; there are bare, jetson, orin, pi, twin"),
        (Node("twin", "board:1", 4), "twin1, twin2 all have the feature 'twin'"),
        (Node("pi", "board:1", 4), "scontrol update nodename=berry state=resume"),
        (Node("orin", "board:1", 8), "jet1 has 6 CPUs and the campaign says 8"),
        (Node("bare", "board:1", 4), "bare has no board:1, so two jobs could measure"),
    ],
)
def test_a_node_that_cannot_measure_alone_is_not_asked(ask, node, told):
    ((state, name, text),) = ask(node, srun="exit 9")
    assert (state, name) == ("bad", "Slurm") and told in text


@pytest.mark.parametrize(
    ("srun", "state", "told"),
    [
        (
            "echo 'execve(): /venv/python: No such file or directory' >&2; exit 2",
            "bad",
            "No such file or directory; mount it on jet1",
        ),
        ("echo 'srun: error: Unable to allocate resources' >&2; exit 1", "unknown", "jet1 is busy"),
        # A folder of the same name, which is another one there.
        (
            f"exec '{sys.executable}' -c 'import json; print(json.dumps(dict(seen=None)))'",
            "bad",
            "does not arrive here; mount it",
        ),
    ],
)
def test_a_node_without_this_folder_has_to_be_mended(ask, srun, state, told):
    found = ask(srun=srun)
    assert [item[0] for item in found] == ["good", state] and found[1][1] == "shared folder" and told in found[1][2]


def test_a_controller_that_does_not_answer(ask):
    ((state, _, text),) = ask(sinfo="echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    assert state == "bad" and "does not answer: slurm_load_partitions" in text
