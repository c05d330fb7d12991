"""A device that no job reaches: its runbook is followed word for word, and what comes back decides."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign
CELLS = {"sdk": "digits-cnn/ort-cpu-noopt/phone/fp32", "ort-cpu-1t-fp16": "digits-cnn/ort-cpu-1t/phone/fp16"}
CAMPAIGN = {
    "campaign": "carried",
    "protocol": "brief",
    "policy": "strict",
    "devices": ["phone"],
    "matrices": [
        {"models": ["digits-cnn"], "presets": ["ort-cpu-noopt"], "precisions": ["fp32"]},
        {"models": ["digits-cnn"], "presets": ["ort-cpu-1t"], "precisions": ["fp16"]},
    ],
    "gate": {"tolerate": []},
    "phases": {
        "model": "digits-cnn",
        "sdk": {"preset": "ort-cpu-noopt", "precision": "fp32"},
        "criteria": "warm-median",
        "more_than_samples": 199,
    },
}
PROTOCOL = {
    "description": "three short processes",
    "processes": 3,
    "warmup_runs": 3,
    "warmup_seconds": 0.1,
    "min_samples": 50,
    "min_seconds": 0.2,
    "max_timer_share": 0.05,
    "pairs": 4,
}
CRITERION = {"id": "warm-median", "metric": "latency", "regime": "warm", "statistic": "median", "confidence": 0.95}
CRITERIA = {
    "description": "a second at the median",
    "accept": ["measured"],
    "accept_trivial_parity": False,
    "accuracy_bands": {"noticeable": 0.2, "caution": -0.3, "risky": -1.0, "severe": -2.0},
    "criteria": [CRITERION | {"limit": 1000, "unit": "ms", "direction": "at_most", "required": True}],
}


@pytest.fixture
def desk(tmp_path):
    """The host, with a campaign on a phone that no job reaches."""
    workspace = copy_repository(tmp_path / "desk")
    described = {"description": "a phone", "board": "A phone", "transport": "manual", "interpreter": "python3"}
    for name, document in (
        ("config/devices/phone.yaml", described),
        ("config/protocols/brief.yaml", PROTOCOL),
        ("config/criteria/warm-median.yaml", CRITERIA),
        ("config/carried.yaml", CAMPAIGN),
    ):
        workspace.write(name, yaml.safe_dump(document, sort_keys=False))
    return workspace


def write_program(folder, name, *words):
    """Write a program that starts another one with its arguments."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text('#!/bin/sh\nexec {} "$@"\n'.format(" ".join(words)))
    path.chmod(0o755)


def read_steps(path):
    """Yield (title, [(source, target) to copy], commands, check) of each step of a runbook."""
    for part in re.split(r"^## \d+\. ", path.read_text(), flags=re.M)[1:]:
        copies = re.findall(r"^Copy `(.+)` of the (?:host|device) to the (?:host|device) as `(.+)`\.$", part, re.M)
        commands = re.search(r"^```\n(.*?)^```", part, re.M | re.S)
        check = re.search(r"^- accepted if this succeeds: `(.+)`$", part, re.M)
        yield part.splitlines()[0], copies, commands[1].splitlines(), check[1]


def decide(desk):
    path = desk.root / "results/evidence/carried/phases/phone/decision.json"
    return json.loads(path.read_text())


def test_a_runbook_is_followed_word_for_word(desk, tmp_path):
    done = desk.snakemake("--replace-workflow-config", "phases", config="config/carried.yaml")
    assert done.returncode == 0, done.stdout
    before = decide(desk)
    assert before["decision"] == "insufficient_evidence"
    assert [candidate["status"] for candidate in before["candidates"]] == ["pending", "pending"]
    report = desk.root / "results/evidence/carried/phases/report.md"
    assert report.read_text().count("pending, nothing has been brought back") == 2

    phone, programs = tmp_path / "phone", tmp_path / "programs"
    phone.mkdir()
    write_program(programs, "python3", sys.executable)
    write_program(programs, "edgeproof", f"env PYTHONPATH={desk.root}/scripts", sys.executable, "-m edgeproof")
    # The runbook lays the campaign over config/config.yaml; the campaign of this test is all there is.
    write_program(programs, "snakemake", sys.executable, "-m snakemake --replace-workflow-config")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE_", "PYTHON"))}
    environment = kept | {"PATH": f"{programs}:{kept['PATH']}", "USER": "an operator"}
    followed = 0
    for title, copies, commands, check in read_steps(desk.root / "results/evidence/carried/phases/phone/runbook.md"):
        if title.startswith("Install"):  # the copy has no environment of its own
            continue
        here, there = (phone, desk.root) if title.endswith("on the device") else (desk.root, phone)
        for source, target in copies:
            shutil.copyfile(there / source, here / target)
        for command in (*commands, check):
            ran = subprocess.run(["bash", "-c", command], cwd=here, env=environment, text=True, capture_output=True)
            assert ran.returncode == 0, (title, command, ran.stdout, ran.stderr)
        followed += 1
    assert followed == 7

    after = decide(desk)
    assert (after["decision"], after["chosen"]) == ("sdk", ["sdk"])
    for candidate, cell in zip(after["candidates"], CELLS.values(), strict=True):
        (entry,) = candidate["brought"]
        assert (entry["operator"], entry["instrument"]) == ("an operator", "clock of phone")
        result = json.loads((desk.root / f"results/runs/{cell}/result.json").read_text())
        assert (result["status"], result["elsewhere"], result["device"]["transport"]) == ("ok", False, "manual")
        assert entry["attempt"] == Path(result["sessions"][0]["attempt"]).name
    assert "brought back by an operator" in report.read_text()

    again = ("import-step", CELLS["sdk"], "sdk-brought.zip", "--operator", "me", "--instrument", "a clock")
    refused = desk.edgeproof(*again)
    assert refused.returncode == 2 and "is in the store already" in refused.stdout
    other = desk.edgeproof("import-step", CELLS["ort-cpu-1t-fp16"], *again[2:])
    assert other.returncode == 2 and "is of another kit" in other.stdout

    pending = desk.snakemake("--replace-workflow-config", "phases", config="config/carried.yaml")
    assert "Nothing to be done" in pending.stdout
    run = desk.root / f"results/runs/{CELLS['sdk']}"
    known = json.loads((run / "result.json").read_text())
    (run / "result.json").unlink()
    done = desk.snakemake("--replace-workflow-config", "phases", config="config/carried.yaml")
    assert done.returncode == 0, done.stdout
    remade = json.loads((run / "result.json").read_text())
    assert (remade["status"], remade["sessions"]) == ("ok", known["sessions"])
