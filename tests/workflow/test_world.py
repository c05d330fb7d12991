"""What surrounds a run and is none of its business: variables of another Python, editors' locks, a wrong clock."""

import os
import time

RUN = "results/runs/digits-cnn/fake/local/fp32/result.json"


def test_packages_and_locks_that_are_not_ours_do_not_matter(workspace, tmp_path):
    (tmp_path / "foreign").mkdir()
    for name in ("jsonschema_rs", "edgeproof", "onnx"):
        (tmp_path / "foreign" / f"{name}.py").write_text("raise SystemExit('a foreign module')\n")
    (workspace.root / "config/models/.#digits-cnn.yaml").symlink_to("somebody@somewhere.1234")
    (workspace.root / RUN).unlink()
    foreign = {"PYTHONPATH": str(tmp_path / "foreign"), "PYTHONUSERBASE": str(tmp_path)}
    made = workspace.remade_by(RUN, **foreign)
    assert "runs/digits-cnn/fake/local/fp32/result.json" in made


def test_an_input_from_the_future_stops_before_anything_is_measured(workspace):
    inputs = workspace.root / "results/sources/digits-cnn/samples/evaluation.npz"
    os.utime(inputs, (time.time() + 7200,) * 2)
    attempts = set((workspace.root / RUN).parent.glob("attempts/*"))
    (workspace.root / RUN).unlink()
    done = workspace.snakemake(RUN)
    assert done.returncode != 0
    assert "evaluation.npz: is dated" in done.stdout and "so nothing is measured" in done.stdout
    assert "touch results/sources/digits-cnn/samples/evaluation.npz" in done.stdout
    assert set((workspace.root / RUN).parent.glob("attempts/*")) == attempts
