"""What is ready to be compared goes by digests: a result of an earlier build does not count, whatever its name."""

import json
import shutil

import pytest
from edgeproof.artifacts.comparable_builds import (
    choose_comparable_pair,
    collect_builds,
    describe_groups,
    describe_new_comparison,
    group_builds,
    list_pairs,
    name_comparison,
    parse_compared_cell,
)
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY, Cell
from edgeproof.core.yaml_files import read_yaml

from .conftest import Job, make_classifier

PLACE = "results/artifacts/tiny/ort-cpu/host"


def read_result(path):
    """Stand in for the runs room: read the few keys that matter here; `broken` does not hold by its raw data."""
    result = json.loads(path.read_text())
    if result.get("broken"):
        raise UserError(f"{path}: its samples were changed")
    return result


def put_result(root, precision, device="local", **changes):
    """Write a result of the build as it is now."""
    path = root / PLACE / precision / "manifest.json"
    manifest = read_manifest(path)
    result = {
        "status": "ok",
        "reason": None,
        "provenance": "measured",
        "digests": {
            "model": manifest["source"]["sha256"],
            "artifact": manifest["artifact"]["sha256"],
            "manifest": sha256_file(path),
        },
    }
    place = root / "results/runs/tiny/ort-cpu" / device / precision / "result.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({**result, **changes}))


@pytest.fixture
def root(tmp_path):
    """Return a root with two builds of one model, fp32 and fp16, both measured on one device."""
    job = Job(tmp_path, make_classifier())
    for precision in ("fp32", "fp16"):
        job.build(precision, folder=f"{PLACE}/{precision}")
        put_result(tmp_path, precision)
    return tmp_path


def states(root):
    builds = collect_builds(root, read_result)
    return {build.cell["precision"]: [item.state for item in build.measurements] for build in builds}


def test_two_measured_builds_of_one_source_are_a_pair(root):
    builds = collect_builds(root, read_result)
    (group,) = describe_groups(builds)
    assert (group["ready"], group["pending"], group["pairs"]) == (2, 0, 1)
    assert group["source_sha256"] == sha256_file(root / "model.onnx")
    assert group["next"] == "edgeproof artifacts compare-command --model tiny"
    left, right = choose_comparable_pair(builds)
    assert (left.precision, right.precision) == ("fp32", "fp16")


@pytest.mark.parametrize("name", ["model", "artifact", "manifest"])
def test_a_result_of_another_build_is_stale(root, name):
    digests = json.loads((root / "results/runs/tiny/ort-cpu/local/fp16/result.json").read_text())["digests"]
    put_result(root, "fp16", digests={**digests, name: "0" * 64})
    builds = collect_builds(root, read_result)
    assert states(root) == {"fp16": ["stale"], "fp32": ["ready"]}
    (measurement,) = builds[0].measurements
    assert measurement.why == f"it was measured with another {name}"
    assert list_pairs(builds) == []
    with pytest.raises(UserError, match=r"fewer than two builds of one source are measured .*next: snakemake"):
        choose_comparable_pair(builds)


def test_a_rebuild_makes_results_stale(root):
    """The same artifact under a new manifest is another build: what was measured then is not evidence of it."""
    job = Job(root, make_classifier())
    job.build("fp16", folder=f"{PLACE}/fp16", script="another", argv=["command"])
    assert states(root) == {"fp16": ["stale"], "fp32": ["ready"]}


def test_what_failed_or_does_not_hold_is_not_ready(root):
    put_result(root, "fp16", status="failed", reason={"kind": "wrong_output", "message": "it differs"})
    put_result(root, "fp32", broken=True)
    builds = collect_builds(root, read_result)
    assert states(root) == {"fp16": ["failed"], "fp32": ["broken"]}
    assert builds[0].measurements[0].why == "failed: it differs"
    assert "its samples were changed" in builds[1].measurements[0].why
    put_result(root, "fp16", status="throttled", reason={"kind": "throttled", "message": "heat"})
    assert states(root)["fp16"] == ["ready"]


def test_an_artifact_that_was_edited_is_a_problem_and_stops_nothing(root):
    with open(root / PLACE / "fp16/artifact.onnx", "ab") as stream:
        stream.write(b"!")
    (root / PLACE / "int8").mkdir()
    (root / PLACE / "int8/manifest.json").write_text("no json")
    builds = collect_builds(root, read_result)
    problems = {str(build): build.problem for build in builds if build.problem}
    assert set(problems) == {"tiny/ort-cpu/host/fp16", "tiny/ort-cpu/host/int8"}
    assert "was changed after the build" in problems["tiny/ort-cpu/host/fp16"]
    assert "not valid JSON" in problems["tiny/ort-cpu/host/int8"]
    assert [len(group) for group in group_builds(builds).values()] == [1]


def test_builds_belong_together_by_digest_and_not_by_name(root):
    other = root / "results/artifacts/copy/ort-cpu/host/fp32"
    shutil.copytree(root / PLACE / "fp32", other)
    builds = collect_builds(root, read_result)
    assert [len(group) for group in group_builds(builds).values()] == [3]
    assert [str(build) for build in collect_builds(root, read_result, "tiny")] == [
        "tiny/ort-cpu/host/fp16",
        "tiny/ort-cpu/host/fp32",
    ]


def test_simulated_results_and_other_devices_are_no_partners(root):
    put_result(root, "fp16", provenance="simulated")
    assert list_pairs(collect_builds(root, read_result)) == []
    shutil.rmtree(root / "results/runs")
    put_result(root, "fp32", device="local")
    put_result(root, "fp16", device="rpi")
    assert list_pairs(collect_builds(root, read_result)) == []


def test_the_sides_are_taken_as_given(root):
    builds = collect_builds(root, read_result)
    fp32, fp16 = "tiny/ort-cpu/local/fp32", "tiny/ort-cpu/local/fp16"
    for left, right, expected in (
        (fp16, fp32, (fp16, fp32)),
        (fp16, None, (fp16, fp32)),
        (None, fp32, (fp16, fp32)),
        (None, fp16, (fp32, fp16)),
    ):
        assert tuple(map(str, choose_comparable_pair(builds, left, right))) == expected
    with pytest.raises(UserError, match="are both"):
        choose_comparable_pair(builds, fp16, fp16)
    with pytest.raises(UserError, match=r"tiny/ort-cpu/local/int8 is not measured; .*measure it with: snakemake"):
        choose_comparable_pair(builds, fp16, "tiny/ort-cpu/local/int8")
    put_result(root, "fp32", broken=True)
    with pytest.raises(UserError, match=r"fp32: its result is broken \(.*measure it again"):
        choose_comparable_pair(collect_builds(root, read_result), fp32)
    with pytest.raises(UserError, match=r"no other build with the source of .* is measured on its device"):
        choose_comparable_pair(collect_builds(root, read_result), fp16)


def test_nothing_built_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="no artifact is built yet; build all with: snakemake"):
        choose_comparable_pair(collect_builds(tmp_path, read_result))


@pytest.mark.parametrize("text", ["", "a/b/c", "a/b/c/d/e", "../b/c/d", "a/../c/d", "a//c/d", "/a/b/c", "A/b/c/d"])
def test_what_is_no_cell_is_refused(text):
    with pytest.raises(UserError, match="is not a cell; write MODEL/PRESET/DEVICE/PRECISION"):
        parse_compared_cell(text)


def test_the_lines_for_the_configuration_are_valid_ones(tmp_path):
    """What is printed can be pasted: the shipped campaign with it is still a campaign."""
    import yaml

    left, right = Cell("digits-cnn", "ort-cpu", "local", "fp16"), Cell("digits-cnn", "ort-cpu", "local", "int8-dynamic")
    lines, command = describe_new_comparison(REPOSITORY, left, right)
    name = "digits-cnn-ort-cpu-local-fp16-vs-int8-dynamic"
    assert name_comparison(left, right) == name
    assert command == f"snakemake --profile local results/comparability/demo/{name}/report.md"
    (entry,) = yaml.safe_load("\n".join(lines))["comparisons"]
    assert entry == {
        "name": name,
        "left": left._asdict(),
        "right": {"precision": "int8-dynamic"},
        "varies": ["precision"],
    }
    campaign = read_yaml(REPOSITORY / "config/config.yaml", "campaign")
    validate({**campaign, "comparisons": [entry]}, "campaign", "test")


def test_a_comparison_of_the_campaign_is_known_by_its_name():
    left, right = Cell("digits-cnn", "ort-cpu", "local", "fp32"), Cell("digits-cnn", "ort-cpu", "local", "int8")
    lines, command = describe_new_comparison(REPOSITORY, left, right)
    assert lines == [] and command.endswith("results/comparability/demo/digits-fp32-vs-int8/report.md")
