"""What the rules ask of a campaign: sides, calibrations, budgets, plans."""

from types import SimpleNamespace

import pytest
from edgeproof.artifacts.records.formats import list_channels_last_backends
from edgeproof.core.campaign import DEFAULT_MARGIN, expand_campaign
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.cells import Cells
from edgeproof.core.errors import UserError
from edgeproof.core.pipelines import list_stage_models
from edgeproof.core.preset_builds import add_builds
from edgeproof.core.stages import Stages
from edgeproof.core.targets import SPOKEN_OF, Targets
from edgeproof.core.yaml_files import read_yaml


@pytest.fixture(scope="module")
def catalogues():
    read = {kind: read_catalogue(kind) for kind in CATALOGUES}
    read["model"] |= list_stage_models(read["pipeline"])
    return read


def make_targets(catalogues, **changes):
    config = read_yaml("config/config.yaml", "campaign") | changes
    return Targets(
        expand_campaign(config, catalogues), Stages(Cells(catalogues), list_channels_last_backends()), catalogues
    )


def test_the_protocol_of_runs_leaves_out_what_only_pairs_use(catalogues):
    targets = make_targets(catalogues)
    targets.protocols = {"quick": targets.protocols["quick"] | {"block_pairs": 20, "inputs": 4, "seconds": 9}}
    protocol = targets.run_protocol()
    assert protocol["name"] == "quick" and not {"pairs", "seconds", "description", "block_pairs"} & set(protocol)
    assert targets.pair_protocol() == {**protocol, "block_pairs": 20} and protocol["inputs"] == 4


def test_sides_lead_to_runs_and_artifacts(catalogues):
    targets, wildcards = make_targets(catalogues), SimpleNamespace(comparison="digits-fp32-vs-int8")
    assert (
        targets.side_file("right", "result.json")(wildcards) == "results/runs/digits-cnn/ort-cpu/local/int8/result.json"
    )
    parity = targets.side_file("left", "parity.json")(wildcards)
    assert parity == "results/artifacts/digits-cnn/ort-cpu/host/fp32/parity.json"


def test_a_comparison_uses_the_calibrations_on_its_device(catalogues):
    assert make_targets(catalogues).noise_of("digits-aa") == [
        "results/calibration/digits-cnn/ort-cpu/local/fp32/quick/noise.json"
    ]
    config = {key: value for key, value in read_yaml("config/config.yaml", "campaign").items() if key != "calibration"}
    stages = Stages(Cells(catalogues), list_channels_last_backends())
    without = Targets(expand_campaign(config, catalogues), stages, catalogues)
    assert without.noise_of("digits-aa") == [] and without.calibrated == []


def test_margin_and_pairs_are_the_comparisons_own_or_the_defaults(catalogues):
    targets = make_targets(catalogues)
    assert targets.margin_of("digits-aa") == DEFAULT_MARGIN
    assert targets.pair_budget("digits-aa") == {"pairs": catalogues["protocol"]["quick"]["pairs"], "seconds": None}
    comparisons = [dict(entry) for entry in read_yaml("config/config.yaml", "campaign")["comparisons"]]
    comparisons[0] |= {"margin": 0.05, "pairs": 7}
    own = make_targets(catalogues, comparisons=comparisons)
    assert own.margin_of(comparisons[0]["name"]) == 0.05 and own.pair_budget(comparisons[0]["name"])["pairs"] == 7


def test_builds_are_paired_one_by_one_with_what_does_not_draw(catalogues):
    drawn = catalogues["preset"]["tensorrt-jetson"]
    presets = add_builds(catalogues["preset"] | {"trt": drawn | {"builds": 3}, "trt-two": drawn | {"builds": 2}})
    catalogues = catalogues | {"preset": presets}
    side = {"model": "digits-cnn", "device": "jetson", "precision": "fp16", "preset": "trt"}
    others = {"same": {"precision": "fp32"}, "fewer": {"preset": "trt-two"}, "host": {"preset": "ort-cpu"}}
    comparisons = [{"name": name, "left": side, "right": right} for name, right in others.items()]
    hosts = {"name": "no-builder", "left": side | {"preset": "ort-cpu"}, "right": {"precision": "fp32"}}
    targets = make_targets(catalogues, devices=["jetson"], comparisons=[*comparisons, hosts])
    presets_of = {name: [(left.preset, right.preset) for left, right in targets.builds_of(name)] for name in others}
    assert presets_of["same"] == [("trt", "trt"), ("trt-build-2", "trt-build-2"), ("trt-build-3", "trt-build-3")]
    assert presets_of["fewer"] == [("trt", "trt-two"), ("trt-build-2", "trt-two-build-2")]
    assert presets_of["host"] == [("trt", "ort-cpu"), ("trt-build-2", "ort-cpu"), ("trt-build-3", "ort-cpu")]
    assert targets.builds_of("no-builder") == [] == targets.build_files("no-builder")
    assert targets.build_paths("host")[1] == {
        "left": "results/artifacts/digits-cnn/trt-build-2/jetson/fp16/artifact.engine",
        "right": "results/artifacts/digits-cnn/ort-cpu/host/fp16/artifact.onnx",
    }
    assert len(targets.build_files("host")) == 4 * 4


def test_rules_for_regressions_stand_only_where_something_is_gated(catalogues):
    assert make_targets(catalogues).gated_regressions() == {"gated": []}
    comparisons = [dict(entry) for entry in read_yaml("config/config.yaml", "campaign")["comparisons"]]
    comparisons[0]["gate"] = True
    gated = make_targets(catalogues, comparisons=comparisons).gated_regressions()
    assert gated["gated"] == [comparisons[0]["name"]] and gated["policy"] == "strict"


def test_plans_want_every_file_of_every_stage(catalogues):
    assert make_targets(catalogues).plan_targets() == []
    targets = make_targets(catalogues, pipelines=["fake-three"])
    wanted = targets.plan_targets()
    goals = catalogues["pipeline"]["fake-three"]["goals"]
    assert [["fake-three", goal] for goal in goals] == targets.list_plans()
    assert (
        f"results/plans/fake-three/{goals[0]}/plan.json" in wanted
        and "results/plans/fake-three/scenario.json" in wanted
    )
    for cell in targets.stages.cells_of("fake-three"):
        assert f"results/runs/{cell}/result.json" in wanted


def test_links_within_one_device_only(catalogues):
    pipelines = {"two": {**catalogues["pipeline"]["fake-three"]}}
    pipelines["two"]["executors"] = [
        {**executor, "device": device}
        for executor, device in zip(pipelines["two"]["executors"], ("local", "rpi"), strict=False)
    ]
    stages = Stages(Cells({**catalogues, "pipeline": pipelines}), list_channels_last_backends())
    with pytest.raises(UserError, match="two: its executors are on local, rpi"):
        stages.device_of("two")


def test_a_target_wants_each_file_once_and_what_is_no_target_is_refused(catalogues):
    targets = make_targets(catalogues)
    wanted = targets.list_wanted(*SPOKEN_OF, "pages", "gate")
    assert len(wanted) == len(set(wanted)) and wanted[-1] == "results/evidence/demo/gate.json"
    assert set(wanted) == {path for name in (*SPOKEN_OF, "pages", "gate") for path in targets.list_wanted(name)}
    assert "results/runs/digits-cnn/ort-cpu/local/int8/result.json" in targets.list_wanted("comparability")
    with pytest.raises(ValueError, match="gates is no target"):
        targets.list_wanted("gates")
