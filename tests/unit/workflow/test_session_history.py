"""`runs history` and `runs bisect` on a store of made-up sessions."""

import json

import numpy as np
import pytest
from edgeproof.core.attempts import open_attempt
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.workflow.cli import runs

CELL = "m/ort-cpu/local/fp32"
HERE = {"id": "0" * 16, "board": "desk", "cpu": "a cpu"}


def add_session(root, number, level_ns, artifact, kernel_ns=1000):
    key = compose_key({"arms": {"candidate": {"artifact": artifact}}})
    with open_attempt(root / "results/runs" / CELL, "session", key, HERE) as attempt:
        out = attempt.folder / "session"
        (out / "process-000").mkdir(parents=True)
        samples = np.random.default_rng(number).normal(level_ns, level_ns / 200, 40).astype("int64")
        np.save(out / "process-000/samples.npy", samples)
        process = {"slot": 0, "status": "ok", "calls_per_sample": 1, "inputs": 1}
        drift = {"points": [{"complete": True, "mean_ns": kernel_ns + number}]}
        record = {"started_at_unix_s": 86400.0 * number, "processes": [process], "drift": drift}
        (out / "session.json").write_text(json.dumps(record))
        digests = {"0": sha256_file(out / "process-000/samples.npy")}
        attempt.complete(samples=digests, session=sha256_file(out / "session.json"))


@pytest.fixture
def store(tmp_path):
    for number in range(12):
        late = number >= 6
        add_session(tmp_path, number, 2_200_000 if late else 2_000_000, "b" * 64 if late else "a" * 64)
    return tmp_path


def test_the_history_has_every_session_and_the_step_between_them(store, capsys):
    assert runs(["history", CELL], store) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 14 and lines[-1] == "1 step"
    assert lines[6].startswith("-- 10") and "arms.candidate.artifact: aaaaaaaa… → bbbbbbbb…" in lines[6]
    assert "results/runs/" in lines[0] and "kernel" in lines[0]


def test_bisect_names_the_part_alone_and_json_has_both(store, capsys):
    assert runs(["bisect", f"results/runs/{CELL}/result.json", "--json"], store) == 0
    document = json.loads(capsys.readouterr().out)
    (step,) = document["steps"]
    assert (document["sessions"], step["place"], step["cause"]) == (12, 6, "key")
    assert step["differences"][0]["part"] == "arms.candidate.artifact"


def test_a_cell_without_sessions_is_a_mistake_with_a_suggestion(store):
    with pytest.raises(UserError, match=r"m/ort-cpu/local/fp33: no session of this cell.*m/ort-cpu/local/fp32"):
        runs(["history", "m/ort-cpu/local/fp33"], store)
