"""Who needs a toolchain gets one, and nobody else: dry runs of the shipped campaigns."""

import pytest

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]  # half a minute


def planned(workspace, *arguments, **options):
    """Return {rule: number of jobs} of a dry run."""
    done = workspace.snakemake("-n", *arguments, **options)
    assert done.returncode == 0, done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def test_a_campaign_of_onnx_runtime_makes_no_toolchain(workspace):
    jobs = planned(workspace, config=None)
    assert "build_onnx" in jobs and "make_toolchain" not in jobs


def test_a_report_makes_no_toolchain(workspace):
    workspace.write(
        "scripts/edgeproof/evidence/rendering.py",
        (workspace.root / "scripts/edgeproof/evidence/rendering.py").read_text() + "\nEDITED = True\n",
    )
    jobs = planned(workspace)
    assert "write_report" in jobs and "make_toolchain" not in jobs
    assert not (workspace.root / ".toolchains").exists()


def test_the_campaign_of_all_runtimes_makes_each_toolchain_once(workspace):
    jobs = planned(workspace, config="config/runtimes.yaml")
    assert jobs["make_toolchain"] == 5
    assert jobs["build_saved_model"] == 2  # one per model, for TFLite and Core ML of every precision
    assert (jobs["build_tflite"], jobs["build_coreml"]) == (8, 6)
    assert (jobs["build_openvino"], jobs["build_torchscript"]) == (6, 2)


@pytest.mark.parametrize(
    ("preset", "toolchains"),
    [
        ("litert-cpu", {"tensorflow", "litert"}),
        ("openvino-cpu", {"openvino"}),
        ("torchscript-cpu", {"torch"}),
        ("coreml", {"tensorflow", "coreml"}),
    ],
)
def test_a_cell_needs_the_toolchain_that_builds_it_and_the_runtime_that_runs_it(workspace, preset, toolchains):
    target = f"results/runs/digits-cnn/{preset}/local/fp32/result.json"
    done = workspace.snakemake("-n", target)
    made = {line.split("environment ")[1].split()[0] for line in done.stdout.splitlines() if "Making the env" in line}
    assert made == toolchains


def test_a_board_with_its_own_interpreter_needs_no_runtime_here_to_measure(workspace):
    workspace.write(
        "config/devices/board.yaml",
        (workspace.root / "config/devices/local.yaml").read_text() + "interpreter: /usr/bin/python3\n",
    )
    workspace.edit("config/fake.yaml", "devices: [local]", "devices: [board]")
    done = workspace.snakemake("-n", "--printshellcmds", "results/runs/digits-cnn/litert-cpu/board/fp32/result.json")
    command = next(line for line in done.stdout.splitlines() if "scripts/measure_run.py" in line and "--key" in line)
    assert ".toolchains" not in command.split("--toolchains")[0]


def test_a_preset_of_a_converted_format_must_name_its_toolchain(workspace):
    workspace.edit("config/presets/litert-cpu.yaml", "toolchain: tensorflow\n", "")
    done = workspace.snakemake("-n")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "litert-cpu.yaml: the document: key 'toolchain' is missing" in done.stdout
