"""The command line and the forms a plan takes: exit codes, files, columns, pages that stand alone."""

import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from edgeproof.core.documents import read_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.program_start import run
from edgeproof.plans import cli
from edgeproof.plans.cli import build_plans_parser, main
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.plan_tables import render_plan_table, render_plan_text
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.plan_verbs import RENDERERS, conclude_verify
from edgeproof.plans.scenario.goals import BLENDS, METRICS, SEQUENCES
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.verifier.verdict import Verdict
from edgeproof.plans.verifier.verification import ENUMERATED

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture
def sample(planner_data):
    return str(planner_data / "mobile_vision_pipeline.json")


@pytest.fixture
def hopeless(planner_data):
    return str(planner_data / "random_06.json")


def test_text_goes_to_the_terminal(sample, capsys):
    assert run(main, ["solve", sample]) == 0
    text = capsys.readouterr().out
    assert "goal balanced: optimal, proved" in text
    assert "npu: 2576 / 3072 MB" in text
    assert "Slowest stage: backbone_embedding on npu, 8.48 ms, of which 1.08 ms crossing." in text
    assert "Fullest device: npu, 84 %" in text
    assert "2. 1.853545, 28.6500 ms, 31.6000 mJ: gpu → npu" in text


def test_json_is_written_and_verified(sample, tmp_path, capsys):
    path = tmp_path / "deep" / "plan.json"
    assert run(main, ["solve", sample, "--goal", "efficiency", "--format", "json", "--output", str(path)]) == 0
    assert f"wrote {path}" in capsys.readouterr().out
    document = read_json(path, "plan")
    assert document["status"] == "optimal" and len(document["plans"]) == 3
    assert document["plans"][0]["slack"]["max_total_energy_mj"] == pytest.approx(4.84)
    assert run(main, ["verify", str(path)]) == 0
    assert f"{path} holds: " in capsys.readouterr().out
    document["plans"][0]["total_energy_mj"] = 1.0
    path.write_text(json.dumps(document))
    assert run(main, ["verify", str(path), "--scenario", sample]) == 1
    out = capsys.readouterr().out
    assert "refuted: plan 1: total_energy_mj" in out and f"{path} is refuted: " in out


def test_a_ranking_that_was_not_tried_is_not_proved(sample, tmp_path, capsys):
    """Nothing is refuted, and nothing is said to hold."""
    path = tmp_path / "plan.json"
    assert run(main, ["solve", sample, "--format", "json", "--output", str(path)]) == 0
    capsys.readouterr()
    assert run(main, ["verify", str(path), "--limit", "0"]) == ExitCode.NOT_PROVED
    assert f"{path} is not proved: " in capsys.readouterr().out
    assert run(main, ["verify", str(path), "--limit", "0", "--json"]) == ExitCode.NOT_PROVED
    report = json.loads(capsys.readouterr().out)
    assert (report["outcome"], report["refuted"]) == ("is not proved", []) and report["checks"] > 10


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Verdict(1), ("holds", ExitCode.GOOD)),
        (Verdict(1, unproved=["a bound"]), ("is not proved", ExitCode.NOT_PROVED)),
        (Verdict(1, ["wrong"]), ("is refuted", ExitCode.NOT_GOOD)),
        (Verdict(1, ["wrong"], ["a bound"]), ("is refuted", ExitCode.NOT_GOOD)),
    ],
)
def test_a_verdict_has_three_outcomes(verdict, outcome):
    assert (verdict.outcome, conclude_verify(verdict)) == outcome


def test_effort_that_ends_first_is_not_proved(planner_data, tmp_path, capsys, monkeypatch):
    """A plan with a gap and no plan at all are both undecided; the plan is handed out."""
    from edgeproof.plans import plan_verbs

    for status, plans in (("gap", [{}]), ("unknown", [])):
        document = {"status": status, "plans": plans, "pipeline_name": "pair", "infeasibility": None}
        monkeypatch.setattr(plan_verbs, "build_plan_document", lambda *_, document=document: document)
        assert run(main, ["solve", str(planner_data / "random_06.json"), "--json"]) == ExitCode.NOT_PROVED
        assert json.loads(capsys.readouterr().out)["status"] == status
    document["status"] = "infeasible"
    document["infeasibility"] = {"conflict": ["latency"], "conflict_minimal": True}
    assert run(main, ["solve", str(planner_data / "random_06.json"), "--json"]) == ExitCode.NOT_GOOD


def test_names_of_pipelines_and_plans_stand_for_their_files(sample, tmp_path, capsys):
    folder = tmp_path / "results/plans/vision"
    (folder / "balanced").mkdir(parents=True)
    (folder / "scenario.json").write_text(Path(sample).read_text())

    def call(*argv):
        return run(lambda arguments: main(arguments, tmp_path), list(argv))

    output = ["--output", str(folder / "balanced/plan.json")]
    assert call("solve", "vision", "--json", *output) == 0
    assert json.loads(capsys.readouterr().out) == {"output": output[1], "status": "optimal", "plans": 3}
    assert call("verify", "vision/balanced", "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"] == output[1]
    assert call("verify", "vision/balance") == 2
    assert "did you mean 'vision/balanced'?" in capsys.readouterr().err
    names = cli.list_completions(tmp_path)
    assert (names["SCENARIO"](), names["PLAN"]()) == (["vision"], ["vision/balanced"])


def test_what_the_help_says_is_what_the_solver_has():
    assert (*BLENDS, *SEQUENCES) == cli.GOALS
    assert tuple(METRICS) == cli.METRICS
    assert tuple(RENDERERS) == cli.FORMATS


@pytest.mark.parametrize("form", ["text", "csv"])
def test_no_plan_is_one_line_and_exit_1(hopeless, tmp_path, capsys, form):
    path = tmp_path / "plan"
    assert run(main, ["solve", hopeless, "--format", form, "--output", str(path)]) == 1
    streams = capsys.readouterr()
    assert streams.out == "" and not path.exists()
    first, *rest = streams.err.splitlines()
    assert "no placement keeps " in first and bool(rest) == (form == "text")
    assert form == "csv" or "  max_total_latency_ms 58.89: would need 60.2223" in rest


def test_no_plan_in_json_is_the_certificate(hopeless, capsys):
    assert run(main, ["solve", hopeless, "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["status"] == "infeasible" and document["plans"] == []
    assert document["infeasibility"]["both_caps_factor"] == pytest.approx(1.016037, abs=5e-7)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve", "missing.json"], "missing.json"),
        (["solve", "SAMPLE", "--goal", "fast"], "--goal is 'fast'"),
        (["solve", "SAMPLE", "--json", "--format", "csv"], "--json and --format csv"),
        (["solve", "SAMPLE", "--gaol", "latency"], "did you mean '--goal'"),
        (["solve", "SAMPLE", "--goal", "lex:latency,speed"], "'speed' is not a metric"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(sample, capsys, arguments, words):
    assert run(main, [sample if a == "SAMPLE" else a for a in arguments]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and words in error


@pytest.mark.parametrize("option", [["--top-k", "0"], ["--max-latency-ms", "-1"], ["--max-energy-mj", "nan"]])
def test_options_out_of_range_are_one_line(sample, option, capsys):
    assert run(main, ["solve", sample, *option]) == 2
    assert f"argument {option[0]}: " in (error := capsys.readouterr().err) and error.count("\n") == 1


def test_an_epsilon_constraint_tightens_and_never_loosens(sample, capsys):
    assert run(main, ["solve", sample, "--goal", "min-energy", "--max-latency-ms", "28", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["limits"]["max_total_latency_ms"] == 28
    assert document["plans"][0]["total_latency_ms"] <= 28
    run(main, ["solve", sample, "--max-latency-ms", "99", "--format", "json"])
    assert json.loads(capsys.readouterr().out)["limits"]["max_total_latency_ms"] == 32.0


def test_the_module_runs_and_repeats_itself(sample):
    command = [sys.executable, "-m", "edgeproof.plans.cli", "solve", sample, "--goal", "throughput", "--format", "json"]
    outputs = [
        subprocess.run(command, capture_output=True, env={"PYTHONPATH": str(SCRIPTS)}, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1] and b'"period_ms"' in outputs[0]


def test_csv_has_every_column_once(sample, capsys):
    run(main, ["solve", sample, "--format", "csv"])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert len(set(rows[0])) == len(rows[0])
    assert {"total_latency_ms", "stage_total_latency_ms", "stage_name"} <= set(rows[0])
    assert len(rows) == 1 + 3 * 7 and {len(row) for row in rows} == {len(rows[0])}
    assert rows[1][rows[0].index("total_latency_ms")] == "27.9700"


def test_pareto_csv(sample, capsys):
    run(main, ["solve", sample, "--format", "pareto-csv"])
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["front", "complete", "latency_ms", "energy_mj", "switches", "path", "variants"]
    assert [row[0] for row in rows[1:]] == ["with_caps"] * 3 + ["without_caps"] * 6


class Outline(HTMLParser):
    """Collects tags, attributes and text, and refuses what is left open."""

    VOID = ("meta",)

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.links, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for key, value in attributes if key in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_stands_alone_and_escapes(two_stages):
    two_stages["name"] = "<script>alert(1)</script>"
    two_stages["stages"][0]["name"] = 'a"<b>&'
    two_stages["devices"][0]["name"] = "<i>"
    for stage in two_stages["stages"]:
        stage["profiles"]["<i>"] = stage["profiles"].pop("cpu")
    two_stages["links"][0]["source"] = "<i>"
    document = build_plan_document(plan_scenario(parse_scenario(two_stages), Request(goal="min-latency")))
    outline = Outline()
    outline.feed(render_page(document))
    assert outline.open == [] and outline.links == []
    assert "script" not in outline.tags and "i" not in outline.tags and outline.tags.count("svg") == 2
    assert "width=device-width" in render_page(document)


def test_the_page_of_an_infeasible_scenario(hopeless, capsys):
    assert run(main, ["solve", hopeless, "--format", "html"]) == 1
    page = capsys.readouterr().out
    assert "60.2223" in page and "this limit alone cannot help" in page and "1.016037" in page


def test_staying_on_one_device_is_told_from_free_crossings(two_stages, solver):
    two_stages["devices"][1]["memory_mb"] = 2000
    two_stages["links"][0].update(latency_ms_per_mb=0, setup_ms=0, energy_mj_per_mb=0)
    stay = build_plan_document(plan_scenario(parse_scenario(two_stages), Request(goal="min-latency")))
    assert "No crossing: everything stays on one device." in stay["plans"][0]["explanation"]
    two_stages["stages"][0]["profiles"].pop("npu")
    two_stages["stages"][1]["profiles"].pop("cpu")
    cross = build_plan_document(plan_scenario(parse_scenario(two_stages), Request(goal="min-latency")))
    assert "Crossings: 1, none of them takes time." in cross["plans"][0]["explanation"]


def test_unknown_energy_is_shown_as_unknown(two_stages):
    for stage in two_stages["stages"]:
        for profile in stage["profiles"].values():
            profile["energy_mj"] = None
    document = build_plan_document(plan_scenario(parse_scenario(two_stages), Request(goal="min-latency")))
    assert document["plans"][0]["total_energy_mj"] is None
    assert "unknown mJ" in render_plan_text(document) and "unknown" in render_page(document)
    assert document["pareto"]["with_caps"]["axes"] == ["latency_ms"]
    assert re.search(r"energy is unknown: stages\[0\]", " ".join(document["notes"]))
    assert render_plan_table(document).count("\n") == 1 + 2 * len(document["plans"])


def test_accuracy_is_an_axis_where_it_varies(two_stages):
    variants = two_stages["stages"][1]["profiles"]
    variants["npu"] = [variants["npu"], {**variants["npu"], "precision": "int8", "latency_ms": 1, "accuracy_drop": 0.5}]
    scenario = parse_scenario(two_stages)
    fast = build_plan_document(plan_scenario(scenario, Request(goal="min-latency")))
    true = build_plan_document(plan_scenario(scenario, Request(goal="accuracy-first")))
    assert fast["pareto"]["with_caps"]["axes"] == ["latency_ms", "energy_mj", "accuracy_drop"]
    assert fast["plans"][0]["accuracy_drop"] == 0.5 and true["plans"][0]["accuracy_drop"] == 0.0
    assert any("approximation" in note for note in fast["notes"])


def test_the_rule_script_writes_all_forms(hopeless, sample, tmp_path):
    sys.path.insert(0, str(SCRIPTS))
    try:
        import solve_plan
    finally:
        sys.path.remove(str(SCRIPTS))
    for name, scenario in (("good", sample), ("bad", hopeless)):
        files = {form: tmp_path / name / f"plan.{form}" for form in ("plan", "csv", "pareto", "html", "text")}
        arguments = [text for form, path in files.items() for text in (f"--{form}", str(path))]
        assert run(solve_plan.main, ["--scenario", scenario, "--goal", "balanced", *arguments]) == 0
        assert all(path.stat().st_size for path in files.values())
        read_json(files["plan"], "plan")


def test_what_cannot_be_written_is_one_line(sample, tmp_path, capsys):
    assert run(main, ["solve", sample, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: --output {tmp_path}: cannot be written (Is a directory)\n"


def test_fewer_draws_than_none_are_refused(sample, capsys):
    assert run(main, ["solve", sample, "--draws", "-1"]) == 2
    assert "--draws: -1 must not be negative" in capsys.readouterr().err


def test_defaults_are_those_of_a_request():
    """They stand twice, because `--help` must not import the solver."""
    options = build_plans_parser().parse_args(["solve", "scenario.json"])
    request = Request()
    assert (options.goal, options.top_k, options.draws, options.seed) == (
        request.goal,
        request.top_k,
        request.draws,
        request.seed,
    )
    assert (options.max_labels, options.effort) == (request.effort.labels, request.effort.seconds)
    assert build_plans_parser().parse_args(["verify", "plan.json"]).limit == ENUMERATED
