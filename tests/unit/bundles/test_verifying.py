"""Verifying: what holds is said, what is changed is named, and nothing outside of a bundle is touched."""

import contextlib
import io
import json
import os
import random
import zipfile
from pathlib import Path

import pytest
from edgeproof.bundles.claims import WORDS, find_first_refuted
from edgeproof.bundles.confinement import confined_to
from edgeproof.bundles.importing import make_bundle
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.core.seals import SEAL, seal

from .conftest import write_phases
from .hostile import read, write
from .mutations import change_numbers, mutate

RESULT = "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"


def words_of(verified):
    return {claim.subject: claim.word for claim in verified.claims}


def pack_changed(tmp_path, manifest, contents):
    """Return the path of a bundle whose digests all fit its contents."""
    entries = [
        {**entry, "sha256": sha256_bytes(contents[entry["path"]]), "bytes": len(contents[entry["path"]])}
        for entry in manifest["files"]
        if entry["path"] in contents
    ]
    path = tmp_path / "changed.zip"
    path.write_bytes(write(seal({**manifest, "files": entries}), contents))
    return path


def verify_changed(tmp_path, manifest, contents):
    """Return what verifying finds in a bundle whose digests all fit its contents."""
    return verify_bundle(pack_changed(tmp_path, manifest, contents))


def edit(contents, path, change):
    """Change a document and seal it again."""
    document = json.loads(contents[path])
    change(document)
    text = json.dumps(seal(document) if SEAL in document else document)
    return contents | {path: text.encode()}


def test_a_bundle_that_nobody_changed_holds(bundle):
    verified = verify_bundle(bundle)
    assert [claim for claim in verified.claims if claim.word == "refuted"] == []
    words = words_of(verified)
    cell = "digits-cnn/ort-cpu/desk/fp32"
    assert (words[f"{cell} result"], words[f"{cell} raw samples"]) == ("recomputed", "recomputed")
    assert (words[f"{cell} records"], words[f"{cell} parity"]) == ("asserted", "asserted")
    assert words[f"{cell} artifact"] == "not covered" and words["signature"] == "not covered"
    for part in ("verdict", "pairs", "report", "regression", "decision"):
        assert words[f"comparison faster {part}"] == "recomputed"
    assert (words["plan pipe/min-latency"], words["gate"]) == ("recomputed", "recomputed")
    assert words["keys, seals, attempts, pages and tables"] == "recomputed"
    assert set(words.values()) <= set(WORDS)


def test_artifacts_that_are_packed_are_hashed(made_up, tmp_path):
    with contextlib.chdir(made_up):
        make_bundle("run", "digits-cnn/ort-cpu/desk/fp32", tmp_path / "run.zip", artifacts=True)
    verified = verify_bundle(tmp_path / "run.zip")
    assert find_first_refuted(verified.claims) is None
    assert words_of(verified)["digits-cnn/ort-cpu/desk/fp32 artifact"] == "recomputed"


def test_looking_deeper_needs_the_artifacts(run_bundle):
    words = words_of(verify_bundle(run_bundle, deep=True))
    place = "digits-cnn/ort-cpu/host/fp32"
    assert words[f"{place} rebuilt"] == words[f"{place} parity run again"] == "not covered"


def test_a_failed_run_is_only_asserted(failed_bundle):
    verified = verify_bundle(failed_bundle)
    assert find_first_refuted(verified.claims) is None and verified.kind == "failed-run"
    assert [claim.word for claim in verified.claims if claim.subject.startswith("failed run")] == ["asserted"]


def test_every_file_that_is_changed_removed_or_added_is_named(failed_bundle, tmp_path):
    manifest, contents = read(failed_bundle)
    names = sorted(contents)
    assert len(names) >= 3
    for name in names:
        changed = bytearray(contents[name] or b"x")
        changed[len(changed) // 2] ^= 1
        rest = {path: data for path, data in contents.items() if path != name}
        for files in (contents | {name: bytes(changed)}, rest):
            path = tmp_path / "x.zip"
            path.write_bytes(write(manifest, files))
            (claim,) = verify_bundle(path).claims
            assert claim.word == "refuted" and name in claim.detail
    path.write_bytes(write(manifest, contents | {"results/more.json": b"{}"}))
    (claim,) = verify_bundle(path).claims
    assert "results/more.json: is in the archive and not in bundle.json" in claim.detail


def test_two_files_that_change_places_are_found(bundle, tmp_path):
    manifest, contents = read(bundle)
    one, two = (f"results/runs/digits-cnn/ort-cpu/desk/{name}/samples.csv" for name in ("fp32", "int8"))
    path = tmp_path / "x.zip"
    path.write_bytes(write(manifest, contents | {one: contents[two], two: contents[one]}))
    (claim,) = verify_bundle(path).claims
    assert claim.word == "refuted" and "samples.csv" in claim.detail


FORGED = {
    "headline": (RESULT, lambda d: d["latency"].update(median_ms=d["latency"]["median_ms"] * 0.9), "result"),
    "percentile": (RESULT, lambda d: d["percentiles"]["p99"].update(value_ms=0.5), "result"),
    "throughput": (RESULT, lambda d: d.update(throughput_per_s=1e6), "result"),
    "label": (RESULT, lambda d: d.update(labels=[{"label": "noisy", "message": "x"}]), "result"),
    "ratio": ("results/comparability/trial/faster/report.json", lambda d: d["effect"].update(ratio=0.5), "report"),
    "verdict": ("results/comparability/trial/faster/report.json", lambda d: d.update(verdict="slower"), "report"),
    "decision": (
        "results/comparability/trial/faster/decision.json",
        lambda d: d.update(decision="blocked"),
        "decision",
    ),
    "severity": (
        "results/comparability/trial/faster/regression.json",
        lambda d: d.update(severity="high"),
        "regression",
    ),
    "gate": ("results/evidence/trial/gate.json", lambda d: d["cells"][0].update(provenance="simulated"), "gate"),
    "plan": (
        "results/plans/pipe/min-latency/plan.json",
        lambda d: d["plans"][0].update(total_latency_ms=0.1),
        "plan pipe/min-latency",
    ),
    "calibration": (
        "results/calibration/digits-cnn/ort-cpu/desk/fp32/quick/noise.json",
        lambda d: d.update(log_sd=1e-6),
        "calibration",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_figure_that_was_forged_with_all_seals_set_anew_is_refuted(name, bundle, tmp_path):
    path, change, subject = FORGED[name]
    manifest, contents = read(bundle)
    verified = verify_changed(tmp_path, manifest, edit(contents, path, change))
    refuted = [claim.subject for claim in verified.claims if claim.word == "refuted"]
    assert any(subject in found for found in refuted), refuted


def test_a_value_that_no_sample_shows_is_called_asserted(run_bundle, tmp_path):
    manifest, contents = read(run_bundle)
    path = "results/sources/digits-cnn/identity.json"
    changed = edit(contents, path, lambda document: document.update(macs=1))
    words = words_of(verify_changed(tmp_path, manifest, changed))
    assert words["digits-cnn identity"] == "asserted"


# Of a result, what only the configuration says, and what compares outputs that are not in the bundle.
ASSERTED = ("protocol.requested", "runtime.options", "workload", "output_check", "device", "inputs.available")


def test_numbers_of_a_result_drawn_by_a_seed_are_refuted(run_bundle, tmp_path):
    """All hashes and seals are set anew: only computing again can tell."""
    manifest, contents = read(run_bundle)
    draw, survived = random.Random(16), []
    for _ in range(20):
        place, changed = change_numbers(contents, draw, RESULT)
        if find_first_refuted(verify_changed(tmp_path, manifest, changed).claims) is None:
            survived.append(place)
    assert [place for place in survived if not place.startswith(ASSERTED)] == []


@pytest.mark.parametrize("outside", ["/etc/attempts/0001-00000000", "results/../../attempts/0001-00000000"])
def test_a_document_that_names_a_file_outside_is_refuted(outside, run_bundle, tmp_path):
    manifest, contents = read(run_bundle)
    changed = edit(contents, RESULT, lambda document: document["sessions"][0].update(attempt=outside))
    refuted = [claim for claim in verify_changed(tmp_path, manifest, changed).claims if claim.word == "refuted"]
    assert any("outside of the bundle" in claim.detail for claim in refuted)


def test_nothing_outside_is_opened(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_text("x")
    with confined_to(tmp_path / "in"):
        Path("made").write_text("x")
        for path, mode in (
            (tmp_path / "secret", "r"),
            ("../secret", "rb"),
            (tmp_path / "new", "w"),
            ("/etc/passwd", "r"),
        ):
            with pytest.raises(UserError, match="outside of the bundle"), open(path, mode):
                pass
        os.symlink(tmp_path / "secret", "link")
        with pytest.raises(UserError, match="outside of the bundle"), open("link"):
            pass
    assert (tmp_path / "secret").read_text() == "x" and not (tmp_path / "new").exists()


def test_a_bundle_that_is_not_there_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match=r"gone\.zip: there is no such file"):
        verify_bundle(tmp_path / "gone.zip")


def test_mutated_bundles_end_in_claims_and_never_in_a_traceback(failed_bundle, tmp_path):
    """Bytes, members, documents and digests are changed at random."""
    said = verify_mutations(failed_bundle, tmp_path, 200, seed=1)
    assert len(said) == 200 and all(said)
    assert [text for text in said if "\n" in text] == []


def verify_mutations(bundle, tmp_path, count, seed):
    """Return what verifying says first of so many mutated bundles: the mistake, or the first claim."""
    draw, good = random.Random(seed), bundle.read_bytes()
    path, said = tmp_path / "mutated.zip", []
    for _ in range(count):
        path.write_bytes(mutate(good, draw))
        try:
            verified = verify_bundle(path)
            said.append(str(find_first_refuted(verified.claims) or verified.claims[0]))
        except UserError as error:
            said.append(str(error))
    return said


def test_a_mutated_bundle_that_is_unchanged_holds(failed_bundle):
    with zipfile.ZipFile(io.BytesIO(failed_bundle.read_bytes())) as archive:
        assert "bundle.json" in archive.namelist()
    assert find_first_refuted(verify_bundle(failed_bundle).claims) is None


def test_decisions_of_phases_are_made_again(copy_of_campaign, tmp_path):
    """A campaign with phases; its decision is forged with its seal set anew."""
    write_phases(Path("results/evidence/trial/phases"))
    make_bundle("campaign", "trial", tmp_path / "phases.zip")
    assert words_of(verify_bundle(tmp_path / "phases.zip"))["phases desk"] == "recomputed"
    manifest, contents = read(tmp_path / "phases.zip")
    path = "results/evidence/trial/phases/desk/decision.json"
    changed = edit(contents, path, lambda document: document.update(decision="none_qualifies", chosen=[]))
    assert words_of(verify_changed(tmp_path, manifest, changed))["phases desk"] == "refuted"
