"""A runbook is made of the device's configuration and the campaign; each step says what it leaves and its check."""

from edgeproof.core.layout import Cell
from edgeproof.phases.runbooks import list_steps, write_runbook

CELLS = {
    "sdk": Cell("m", "ort-cpu", "jetson-orin", "fp32"),
    "ort-cpu/int8": Cell("m", "ort-cpu", "jetson-orin", "int8"),
}
DEVICE = {"board": "A Jetson", "transport": "local", "interpreter": "/usr/bin/python3"}
PROTOCOL = {"processes": 10, "warmup_seconds": 0.5, "min_seconds": 6.0}


def test_every_candidate_has_a_step_with_its_file_its_schema_and_its_check(tmp_path):
    write_runbook("jetson-orin", DEVICE, CELLS, PROTOCOL, ["config/mine.yaml"], tmp_path / "runbook.md")
    text = (tmp_path / "runbook.md").read_text()
    for cell in CELLS.values():
        path = f"results/runs/{'/'.join(cell)}/result.json"
        assert f"snakemake --profile jetson {path} --configfile config/mine.yaml" in text
        assert f"- leaves: `{path}` (`config/schemas/result.schema.json`)" in text
    assert text.count("## ") == 6 and text.startswith("# Runbook: jetson-orin\n")
    assert "about 2 min, and its build" in text  # 10 processes of 9.5 s


def test_a_device_without_a_python_of_its_own_has_no_step_for_it():
    steps = list(list_steps("local", {"board": "here", "transport": "local"}, CELLS, PROTOCOL, []))
    assert len(steps) == 5 and all("numpy" not in command for step in steps for command in step.commands)
    assert steps[1].commands == ("snakemake --profile local -n phases",)
