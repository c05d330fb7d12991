"""The command line as a whole: every verb found by walking the parsers, its JSON, its exit codes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib

import pytest
from edgeproof.__main__ import build_program_parser, main
from edgeproof.adaptation.adaptation_verbs import RUN as ADAPTATION_VERBS
from edgeproof.artifacts.artifact_verbs import RUN as ARTIFACT_VERBS
from edgeproof.bundles.cli import KEY_VERBS
from edgeproof.core.exit_codes import ExitCode, describe_exit_codes
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run
from edgeproof.evidence.cli import VERBS as EVIDENCE_VERBS
from edgeproof.evidence.observe_cli import OBSERVE_VERBS
from edgeproof.plans.plan_verbs import RUN as PLAN_VERBS
from edgeproof.registry.cli import FAILED_VERBS, REPORT_VERBS, TELEMETRY_VERBS
from edgeproof.runtime.observer import Observer
from edgeproof.scaffolding.cli import VERBS as NEW_VERBS
from edgeproof.workflow.baseline_cli import BASELINE_VERBS
from edgeproof.workflow.cli import RUNS_VERBS
from edgeproof.workflow.workflow_verbs import RUN as WORKFLOW_VERBS

from ..signals import heed_signals
from .tiny_checkout import ARTIFACT, SCENARIO, fill_checkout, walk

DIGITS = REPOSITORY / "config/models/digits-cnn.onnx"
# What each verb needs to be called, and its exit code: a new verb has to be entered here.
CALLS = {
    "artifacts presets": ([], 0),
    "artifacts dry-run": ([ARTIFACT], 0),
    "artifacts list": ([], 0),
    "artifacts inspect": ([ARTIFACT], 0),
    "artifacts validate": ([ARTIFACT], 0),
    "artifacts rebuild": ([ARTIFACT, "--output", "OUTPUT"], 0),
    "artifacts summary": ([ARTIFACT], 0),
    "artifacts agent-manifest": (
        [
            *(ARTIFACT, "--agent-id", "door", "--agent-type", "vision", "--input-type", "image"),
            *("--output-type", "classes", "--latency-budget-ms", "20", "--deadline-ms", "50"),
        ],
        0,
    ),
    "artifacts run-summary": ([ARTIFACT], 2),  # its run has no valid result
    "artifacts candidates": ([], 0),
    "artifacts compare-command": ([], 2),  # nothing is measured
    "artifacts search": (["squeezenet", "ort-cpu"], 2),  # it declares no task, so nothing is built
    "artifacts explain": ([ARTIFACT, "--runs", "1"], 0),
    "plans solve": (["vision"], 0),
    "plans verify": (["vision/balanced"], 0),
    "runs list": ([], 0),
    "runs show": (["tiny/ort-cpu/local/int8"], 1),  # it is no valid result
    "runs resources": ([], 0),
    "runs sampler": (["tiny/ort-cpu/local/int8"], 2),  # nothing sampled it
    "runs telemetry export-history": (["--output", "OUTPUT"], 0),
    "runs telemetry inspect-history": ([str(SCENARIO)], 2),  # no history
    "runs export": (["tiny/ort-cpu/local/int8", "--output", "OUTPUT"], 2),  # it is no valid result
    "runs import": ([str(SCENARIO)], 2),  # no bundle
    "runs index": ([], 0),
    "failed-runs list": ([], 0),
    "failed-runs show": (["0001-00000000"], 2),  # nothing failed
    "failed-runs export": (["0001-00000000", "--output", "OUTPUT"], 2),
    "failed-runs import": ([str(SCENARIO)], 2),
    "report compare": (["tiny/ort-cpu/local/int8", "tiny/ort-cpu/local/int8"], 2),
    "report regression": (["tiny/ort-cpu/local/int8", "tiny/ort-cpu/local/int8"], 2),
    "report bundle-summary": (["--scenario", "one:tiny/ort-cpu/local/int8"], 2),  # two parts
    "verify": ([str(SCENARIO)], 1),  # no bundle
    "key new": (["OUTPUT"], 0),
    "runs from-edgeenv": (["CONFIG", "TARGET", "--check"], 0),
    "runs judge-edgeenv": (["camera/desk/fp32", "camera/desk/fp32"], 2),  # nothing has such a name
    "adaptation validate": (["--config", "FAMILY_FILE"], 0),
    "adaptation decisions": (["--config", "FAMILY_FILE"], 0),
    "adaptation benchmark": (["--config", "FAMILY_FILE", "--runs", "3"], 0),
    "adaptation inspect-model": ([str(DIGITS)], 0),
    "adaptation measure-server": (
        ["ftp://desk", "--config", "FAMILY_FILE", "--device", "desk", "--output", "OUTPUT"],
        2,
    ),
    "adaptation compare-servers": (["FAMILY_FILE", "no-such-family.yaml", "--output", "OUTPUT"], 2),
    "adaptation inspect-comparison": ([str(SCENARIO)], 2),  # it is none
    "adaptation replay": (["--config", "FAMILY_FILE", "--policy", "accurate", "--trace", "desk"], 0),
    "state": (["--duration", "0"], 0),
    "serve": (["no-such-family.yaml"], 2),
    "runs why": (["digits-cnn/ort-cpu/local/fp32"], 1),  # nothing is measured
    "runs again": (["digits-cnn/ort-cpu/local/fp32", "--later"], 2),  # nothing is built
    "runs sample": (["true", "--sampler", "procfs"], 0),
    "attempts list": ([], 0),
    "attempts prune": ([], 0),
    "runs history": (["digits-cnn/ort-cpu/local/fp32"], 2),
    "runs bisect": (["digits-cnn/ort-cpu/local/fp32"], 2),
    "evidence report": (["trial"], 2),
    "evidence validate": (["trial"], 1),  # its cell is missing
    "evidence bundle": (["trial"], 2),
    "claim": (["tiny/ort-cpu/local/int8"], 2),  # it is no valid result
    "replicate": (["tiny is quick"], 2),  # no claim
    "compare": (["tiny", "no-such-precision"], 2),
    "baseline set": ([ARTIFACT], 2),  # its parity was never checked
    "baseline list": ([], 0),
    "baseline promote": (["trial/none"], 2),  # nothing was decided
    "import-step": (["tiny/ort-cpu/local/int8", "brought.zip", "--operator", "me", "--instrument", "a clock"], 2),
    "campaign": (["config/fake.yaml"], 0),
    "devices": ([], 0),
    "doctor": (["--device", "jetson"], 1),  # this is no Jetson
    "observe import": (["RECORDING", "--name", "WORD"], 0),
    "observe show": (["camera"], 2),  # nothing was imported under this name
    "observe beside": (["camera", "digits-cnn/ort-cpu/local/fp32"], 2),
    "new model": ([str(REPOSITORY / "config/models/digits-cnn.onnx"), "--name", "WORD"], 0),
    "new forge-build": ([str(SCENARIO.parent), "--name", "WORD"], 2),  # no build of Forge's
    "new device": (["WORD"], 0),
    "new preset": (["WORD", "--from", "ort-cpu"], 0),
    "completion": (["bash"], 0),
    "names": (["ARTIFACT"], 0),
}


def fill_in(arguments, folder):
    """Return the arguments of a call: a path for OUTPUT, a name that no other test has for WORD, files for others."""
    if "RECORDING" in arguments:
        with Observer(folder / "recording") as observed, observed.call():
            pass
    family = {"family": "one", "variants": {"a": {"path": str(DIGITS), "tier": "high"}}}
    (folder / "family.json").write_text(json.dumps(family))
    files = {"CONFIG": "edgeenv-benchmark.yaml", "TARGET": "edgeenv-target.yaml"}
    words = {word: str(REPOSITORY / "tests/data/edgeenv" / name) for word, name in files.items()}
    words |= {
        "FAMILY_FILE": str(folder / "family.json"),
        "OUTPUT": str(folder / "out"),
        "RECORDING": str(folder / "recording"),
        "WORD": re.sub("[^a-z0-9]+", "-", folder.name.lower()).strip("-"),
    }
    return [words.get(item, item) for item in arguments]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A checkout with little in it."""
    folder = tmp_path_factory.mktemp("root")
    fill_checkout(folder)
    return folder


def test_every_verb_has_a_parser_and_a_function():
    assert {words for words, _ in walk(build_program_parser())} == set(CALLS)
    verbs = {"artifacts": ARTIFACT_VERBS, "plans": PLAN_VERBS, "new": NEW_VERBS, "evidence": EVIDENCE_VERBS}
    verbs |= {"baseline": BASELINE_VERBS, "observe": OBSERVE_VERBS, "adaptation": ADAPTATION_VERBS}
    verbs |= {"failed-runs": FAILED_VERBS, "report": REPORT_VERBS, "key": KEY_VERBS}
    verbs |= {"runs": [name for name in RUNS_VERBS if name != "telemetry"], "runs telemetry": TELEMETRY_VERBS}
    assert {f"{room} {name}" for room, names in verbs.items() for name in names} | set(WORKFLOW_VERBS) == {
        words for words in CALLS if " " in words
    }


@pytest.mark.parametrize("words", CALLS)
def test_every_verb_prints_json_and_nothing_else(root, words, tmp_path, capsys):
    arguments, code = CALLS[words]
    argv = [*words.split(), "--json", *fill_in(arguments, tmp_path)]
    assert run(lambda arguments: main(arguments, root), argv) == code
    streams = capsys.readouterr()
    if code == ExitCode.MISTAKE:
        assert streams.out == "" and streams.err.startswith("error: ") and streams.err.count("\n") == 1
    else:
        assert json.loads(streams.out) and streams.err == ""


@pytest.mark.parametrize("words", CALLS)
def test_every_verb_says_so_in_text_too(root, words, tmp_path, capsys):
    arguments, code = CALLS[words]
    argv = [*words.split(), *fill_in(arguments, tmp_path)]
    assert run(lambda arguments: main(arguments, root), argv) == code
    assert (capsys.readouterr().out != "") == (code != ExitCode.MISTAKE)


@pytest.mark.parametrize(("words", "parser"), [*walk(build_program_parser())], ids=lambda value: str(value)[:30])
def test_every_verb_and_option_has_a_help(words, parser, capsys):
    with pytest.raises(SystemExit) as leave:
        parser.parse_args(["--help"])
    assert leave.value.code == 0 and f"usage: edgeproof {words}" in capsys.readouterr().out
    assert [action.dest for action in parser.arguments if not action.help] == []
    assert {flag for action in parser.arguments for flag in action.option_strings} >= {"--json", "--help"}
    assert parser.description


def test_the_table_of_exit_codes_is_the_one_of_the_help(capsys):
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 70, 130, 143]
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.endswith("\n".join(["exit codes:", *describe_exit_codes(), ""]))


def test_a_verdict_that_is_not_good_is_1(root, tmp_path, capsys):
    shutil.copytree(root / "results/artifacts" / ARTIFACT, folder := tmp_path / "copy")
    (folder / "artifact.onnx").write_bytes(b"edited")
    assert run(main, ["artifacts", "validate", str(folder)]) == ExitCode.NOT_GOOD


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_a_signal_ends_a_verb_with_its_code(number, code):
    program = (
        f"import signal; signal.signal({number.value}, "
        + ("signal.default_int_handler" if number == signal.SIGINT else "signal.SIG_DFL")
        + "); from edgeproof.__main__ import main; from edgeproof.core.program_start import run_program; "
        "run_program(main)"
    )
    command = [sys.executable, "-c", program, "state", "--interval", "600", "--duration", "6000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), preexec_fn=heed_signals, **pipes) as process:
        assert json.loads(process.stdout.readline())  # the next line is ten minutes away
        process.send_signal(number)
        assert process.wait(timeout=30) == code
        assert b"Traceback" not in process.stderr.read()


def test_help_starts_at_once():
    """A whole process takes at most 0.3 s of processor time, which other tests do not stretch (0.1 s here)."""
    for argv in ([], ["artifacts"], ["plans"], ["runs"], ["attempts"], ["verify"]):
        before = os.times()
        command = [sys.executable, "-m", "edgeproof", *argv, "--help"]
        subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        assert used < 0.3, argv


def test_help_imports_no_heavy_package():
    names = ("numpy", "onnx", "onnxruntime", "yaml", "jsonschema_rs", "pandas", "ortools", "sqlite3", "cryptography")
    for argv in ([], ["artifacts"], ["plans"], ["plans", "solve"], ["runs", "why"], ["runs", "list"], ["verify"]):
        program = (
            "import sys\nfrom edgeproof.__main__ import main\n"
            f"try: main({[*argv, '--help']})\nexcept SystemExit: pass\n"
            f"sys.exit(', '.join(set({names}) & set(sys.modules)))"
        )
        ended = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, text=True)
        assert ended.stderr == "\n" or ended.stderr == "", argv


def environment():
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}


def test_names_that_are_printed_are_names_that_are_taken(root, capsys):
    main(["artifacts", "list", "--json"], root)
    names = [item["artifact"] for item in json.loads(capsys.readouterr().out)]
    assert names == [ARTIFACT]
    for verb in ("inspect", "validate", "summary", "dry-run"):
        path = str(root / "results/artifacts" / ARTIFACT / "manifest.json")
        outputs = []
        for target in (ARTIFACT, path):
            assert main(["artifacts", verb, target, "--json"], root) == 0
            outputs.append(capsys.readouterr().out)
        assert outputs[0] == outputs[1]


def test_report_takes_the_name_of_a_campaign_in_place_of_a_verb(root, capsys):
    assert run(lambda arguments: main(arguments, root), ["report", "trial"]) == ExitCode.MISTAKE
    assert "result.json" in capsys.readouterr().err  # it judges the campaign, whose cell is missing
    assert run(lambda arguments: main(arguments, root), ["report", "no-such-campaign"]) == ExitCode.MISTAKE
    told = capsys.readouterr().err
    assert "'no-such-campaign' is neither a verb (compare, regression, bundle-summary) nor a campaign" in told
    assert run(lambda arguments: main(arguments, root), ["report", "trail"]) == ExitCode.MISTAKE
    assert "did you mean 'trial'?" in capsys.readouterr().err


def test_version_is_printed(capsys):
    assert main(["--version"]) == ExitCode.GOOD
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    assert capsys.readouterr().out.startswith(f"edgeproof {version}")
    assert main(["--version", "--json"]) == ExitCode.GOOD
    assert json.loads(capsys.readouterr().out)["version"] == version
