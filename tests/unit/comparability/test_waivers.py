"""Waivers: a refused pair is measured, called waived wherever it is shown, and counts for nothing."""

import copy
import json

import pytest
from edgeproof.comparability.field_views import read_fields
from edgeproof.comparability.judging import Latitude, judge_comparability
from edgeproof.comparability.reading import read_comparison, read_own_verdict
from edgeproof.comparability.reporting import render_markdown
from edgeproof.comparability.sentences import describe_verdict
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.program_start import run
from edgeproof.core.yaml_files import read_yaml
from edgeproof.evidence.comparisons import tell_comparison
from edgeproof.workflow.comparing.cli import build_compare_parser

WHY = "int8 is what the board has room for"


@pytest.fixture
def waived(room):
    """A comparison of two precisions that is not about precision, which is waived; the right side is faster."""
    return room.make(varies=[], waive={"precision": WHY}, ratio=0.5)


def test_every_refusing_field_must_be_waived(room):
    room.make()
    view = read_fields(json.loads((room.root / "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json").read_text()))
    other = view | {"task": "regression", "kernel": "another"}
    strict = read_yaml("config/policies/strict.yaml", "policy")

    def judge(**waive):
        return judge_comparability(view, other, strict, Latitude((), waive))

    assert judge(task="why")["verdict"] == "no"
    found = judge(task="it counts the same", kernel="the same board", precision="does not differ")
    assert (found["verdict"], found["mode"]) == ("waived", "waived")
    assert [(reason["field"], reason["remedy"]) for reason in found["reasons"]] == [
        ("task", "waived: it counts the same"),
        ("kernel", "waived: the same board"),
    ]
    same = judge_comparability(view, copy.deepcopy(view), strict, Latitude((), {"task": "why"}))
    assert same["verdict"] == "yes"


def test_a_waived_pair_is_measured_and_says_so_everywhere(waived):
    verdict, report = waived.read("verdict.json"), waived.read("report.json")
    assert (verdict["verdict"], verdict["waive"]) == ("waived", {"precision": WHY})
    assert (report["comparable"], report["verdict"]) == ("waived", "waived")
    assert report["waived"] == {"measured": "faster", "fields": {"precision": WHY}}
    assert report["effect"]["ratio"] == pytest.approx(0.5, rel=0.1)
    sentence = describe_verdict(report)
    assert sentence.startswith(f"Waived, they may not be compared (precision: {WHY}). int8 is ")
    assert WHY in render_markdown(report) and "**Not comparable, waived** (policy" in render_markdown(report)
    assert tell_comparison("trial", report, lambda model: "")["words"] == "waived"


def test_no_judgement_takes_it(waived):
    for policy in ("strict", "edgeenv-v1", "lab-v1"):
        regression = waived.judge(policy)
        assert (regression["status"], regression["mode"]) == ("blocked", "protocol_mismatch"), policy
    decision = waived.decide()
    assert decision["decision"] != "deployable" and decision["overall"] == "mismatch"
    assert [rule["message"] for rule in decision["rules"] if rule["rule"] == "mismatch"] == [
        "the two sides differ in precision, which was waived"
    ]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("verdict.json", lambda document: document.update(waive={"precision": "another reason"})),
        ("verdict.json", lambda document: document.update(verdict="conditional", mode="precision-comparison")),
        ("report.json", lambda document: document.update(verdict="faster", waived=None)),
        ("report.json", lambda document: document["waived"].update(measured="equivalent")),
    ],
)
def test_a_waiver_cannot_be_edited_away(waived, name, change):
    read_own_verdict(waived.folder / "verdict.json")
    read_comparison(waived.folder / "report.json")
    waived.edit(waived.folder / name, change)
    with pytest.raises(UserError, match=r"verdict\.json|report\.json"):
        read_comparison(waived.folder / "report.json")


def test_a_failed_side_stays_failed(room):
    room.make(right={"kind": "crashed"}, varies=[], waive={"precision": WHY})
    report = room.read("report.json")
    assert (report["comparable"], report["verdict"], report["waived"]) == ("waived", "failed", None)


@pytest.mark.parametrize("text", ["precision", "precision:", ":why", " : "])
def test_a_waiver_needs_field_and_reason(text, capsys):
    def main(argv):
        build_compare_parser().parse_args(argv)

    assert run(main, ["a", "b", "--waive", text]) == ExitCode.MISTAKE
    assert "is no FIELD:REASON" in capsys.readouterr().err


def test_waivers_of_the_command_line_are_pairs():
    options = build_compare_parser().parse_args(["a", "b", "--waive", "kernel: a: b", "--waive", "task:c"])
    assert dict(options.waive) == {"kernel": "a: b", "task": "c"}
