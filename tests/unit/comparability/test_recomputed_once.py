"""A decision that was recomputed rests on files that are all noted: none can change and leave it standing."""

import json
from pathlib import Path

import pytest
from edgeproof.comparability import deciding
from edgeproof.core.errors import UserError
from edgeproof.core.reader import reading_once

READ = ("report.json", "regression.json", "verdict.json", "pairs.json", "pairs.csv")


@pytest.fixture
def decided(room):
    room.make().judge()
    room.decide()
    with reading_once():
        deciding.read_decision(room.folder / "decision.json")
    return room


def list_noted(decided):
    notes = [json.loads(path.read_text())["files"] for path in Path(".edgeproof/verified").iterdir()]
    return next(files for files in notes if str(decided.folder / "decision.json") in files)


def test_every_file_behind_a_decision_is_noted(decided):
    noted = {str(Path(path)) for path in list_noted(decided)}
    raw = [
        path
        for path in decided.folder.glob("attempts/*/**/*")
        if path.suffix in (".npy", ".json") and path.name != "spec.json"
    ]
    runs = [path for path in Path("results/runs").rglob("*") if path.name in ("result.json", "samples.csv")]
    settings = ["config/criteria/interactive.yaml", "config/regressions/strict.yaml"]
    assert len(raw) > 10 and len(runs) == 4
    expected = {*map(str, [*raw, *runs]), *(str(decided.folder / name) for name in READ), *settings}
    assert expected - noted == set()
    assert any(path.endswith("parity.json") for path in noted)


def test_a_change_of_any_of_them_decides_again(decided, monkeypatch):
    built, build = [], deciding._build_decision
    monkeypatch.setattr(deciding, "_build_decision", lambda *a: built.append(a) or build(*a))
    with reading_once():
        deciding.read_decision(decided.folder / "decision.json")
    assert not built
    missed = []
    for name in list_noted(decided):
        path, before = Path(name), Path(name).read_bytes()
        path.write_bytes(before + b" ")
        with reading_once():
            try:
                deciding.read_decision(decided.folder / "decision.json")
            except UserError:
                built.append(name)
        missed += [] if built else [name]
        path.write_bytes(before)
        built.clear()
    assert missed == []
