"""Collecting: everything is there, everything follows from what it was made of."""

import json

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal
from edgeproof.evidence import wanted
from edgeproof.evidence.collecting import collect_evidence, link_from

FP32, INT8 = ("digits-cnn", "ort-cpu", "desk", "fp32"), ("digits-cnn", "ort-cpu", "desk", "int8")
RUN = "results/runs/digits-cnn/ort-cpu/desk/fp32"
BUILT = "results/artifacts/digits-cnn/ort-cpu/host/fp32"
PAIR = "results/comparability/trial/faster"


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def two_cells(here, **options):
    comparison = {"name": "faster", "left": FP32, "right": INT8, "varies": ["precision"], "ratio": 0.6, **options}
    return make_campaign(here, [{}, {"precision": "int8"}], [comparison])


def test_everything_is_collected(campaign):
    evidence = collect_evidence(campaign, ["throttled"])
    assert [item.verdict["state"] for item in evidence.cells].count("failing") == 4
    assert [item.distribution is None for item in evidence.cells] == [False] * 6 + [True] * 3 + [False]
    verdicts = {item.report["comparison"]: item.report["verdict"] for item in evidence.comparisons}
    assert verdicts == {
        "faster": "faster",
        "same": "equivalent",
        "undecided": "undecided",
        "shaky": "equivalent",  # a noisy headline does not count against pairs
        "refused": "not-comparable",
        "two-boards": "undecided",
    }
    pairs = {item.report["comparison"]: len(item.ratios) for item in evidence.comparisons}
    assert pairs == dict.fromkeys(("faster", "same", "undecided", "shaky"), 10) | {"refused": 0, "two-boards": 0}


def test_a_report_that_does_not_follow_from_its_pairs_is_refused(here):
    snapshot = two_cells(here)
    edit(here / PAIR / "report.json", lambda report: report["effect"].update(ratio=0.5))
    with pytest.raises(UserError, match=r"report\.json"):
        collect_evidence(snapshot)


def test_changed_raw_pairs_are_refused(here):
    snapshot = two_cells(here)
    path = next((here / PAIR).rglob("blocks.npy"))
    path.write_bytes(path.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(UserError, match=r"blocks\.npy"):
        collect_evidence(snapshot)


def test_a_comparison_of_other_results_is_refused(here):
    snapshot = two_cells(here)
    edit(here / RUN / "result.json", lambda result: result.update(seal({**result, "artifact_bytes": 5})))
    with pytest.raises(UserError, match=r"left\.result_sha256"):
        collect_evidence(snapshot)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        (f"{BUILT}/manifest.json", lambda d: d.update(seal({**d, "duration_s": 9.0})), "manifest_sha256"),
        (f"{BUILT}/parity.json", lambda d: d.update(seal({**d, "artifact_sha256": "0" * 64})), "artifact_sha256"),
        (f"{BUILT}/parity.json", lambda d: d.update(duration_s=9.0), "document_sha256 does not match"),
        ("results/sources/digits-cnn/identity.json", lambda d: d.update(sha256="0" * 64), "source"),
    ],
)
def test_documents_that_do_not_belong_together_are_refused(here, path, change, message):
    snapshot = make_campaign(here, [{}])
    edit(here / path, change)
    with pytest.raises(UserError, match=message):
        collect_evidence(snapshot)


def test_a_missing_document_is_named(here):
    snapshot = make_campaign(here, [{}])
    (here / BUILT / "parity.json").unlink()
    with pytest.raises(UserError, match=r"parity\.json"):
        collect_evidence(snapshot)


def test_links_are_relative():
    assert link_from("results/evidence/c/report.html", f"{RUN}/result.json") == (
        "../../runs/digits-cnn/ort-cpu/desk/fp32/result.json"
    )


def test_what_was_copied_from_another_machine_says_so(campaign, monkeypatch):
    assert not any(item.result["elsewhere"] for item in collect_evidence(campaign, ["throttled"]).cells)
    monkeypatch.setattr(wanted, "describe_machine", lambda: {"id": "f" * 16, "board": None, "cpu": None})
    cells = collect_evidence(campaign, ["throttled"]).cells
    assert all(item.result["elsewhere"] for item in cells if item.result["sessions"])
    assert "elsewhere" in next(item for item in cells if item.result["sessions"]).verdict["reasons"][-1]
