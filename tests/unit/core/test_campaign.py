import copy
import re
import shutil

import pytest
from edgeproof.core.campaign import builder_of, expand_campaign
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, Cell
from hypothesis import given
from hypothesis import strategies as st

PRESET = {"precisions": ["fp32", "int8"], "built": "host"}
CATALOGUES = {
    "model": {"m": {}, "n": {}},
    "preset": {
        "p": PRESET,
        "q": {"precisions": ["fp32"], "built": "device"},
        "whole": {"precisions": ["fp32"], "built": "host", "include": ["preprocessing"]},
    },
    "device": {name: {"transport": "local"} for name in ("here", "there")},
    "protocol": {"quick": {}},
    "policy": {"strict": {}, "loose": {}},
}
CONFIG = {
    "campaign": "c",
    "protocol": "quick",
    "policy": "strict",
    "devices": ["here"],
    "matrices": [{"models": ["m"], "presets": ["p"], "precisions": ["fp32", "int8"]}],
    "comparisons": [
        {
            "name": "a",
            "left": {"model": "m", "preset": "p", "precision": "fp32"},
            "right": {"precision": "int8"},
            "varies": ["precision"],
        }
    ],
}


def changed(**changes):
    return {**copy.deepcopy(CONFIG), **changes}


def test_cells_are_the_product_and_right_inherits_from_left():
    campaign = expand_campaign(CONFIG, CATALOGUES)
    assert campaign.cells == (Cell("m", "p", "here", "fp32"), Cell("m", "p", "here", "int8"))
    comparison = campaign.comparisons["a"]
    assert (comparison.left, comparison.right) == campaign.cells
    assert (comparison.policy, comparison.pairs) == ("strict", None)


def test_exclude_takes_cells_out_and_comparisons_put_theirs_in():
    matrix = {**CONFIG["matrices"][0], "exclude": [{"precision": "int8"}]}
    campaign = expand_campaign(changed(matrices=[matrix], comparisons=[]), CATALOGUES)
    assert [cell.precision for cell in campaign.cells] == ["fp32"]
    campaign = expand_campaign(changed(matrices=[matrix]), CATALOGUES)
    assert [cell.precision for cell in campaign.cells] == ["fp32", "int8"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "slow"}, "protocol: 'slow' is not in config/protocols/; it has quick"),
        ({"policy": "lax"}, "policy: 'lax'"),
        ({"devices": ["moon"]}, "devices: 'moon'"),
        ({"matrices": [{"models": ["x"], "presets": ["p"], "precisions": ["fp32"]}]}, r"matrices\[0\]: model: 'x'"),
        ({"matrices": [{"models": ["m"], "presets": ["q"], "precisions": ["int8"]}]}, "'q' does not build 'int8'"),
        (
            {"matrices": [{"models": ["m"], "presets": ["whole"], "precisions": ["fp32"]}]},
            r"'whole' includes preprocessing, and config/models/m\.yaml declares none; add processing\.before there",
        ),
        (
            {"matrices": [{"models": ["m"], "presets": ["p"], "precisions": ["fp32"], "exclude": [{"model": "m"}]}]},
            "leave no cell",
        ),
        ({"comparisons": [CONFIG["comparisons"][0]] * 2}, "name is used twice"),
        ({"comparisons": [{"name": "a", "left": {"model": "m"}, "right": {}}]}, "left.preset is missing"),
        ({"devices": ["here", "there"]}, "left.device is missing"),
        ({"campaign": "Has Spaces"}, "must match"),
        ({"surprise": 1}, "unknown key 'surprise'"),
    ],
)
def test_mistake_is_named(change, message):
    with pytest.raises(UserError, match=message):
        expand_campaign(changed(**change), CATALOGUES)


@given(st.permutations(["m", "n"]), st.permutations(["fp32", "int8"]), st.integers(1, 3))
def test_order_and_repetition_of_lists_do_not_change_the_set_of_cells(models, precisions, repeats):
    matrix = {"models": models, "presets": ["p"], "precisions": precisions}
    campaign = expand_campaign(changed(matrices=[matrix] * repeats, comparisons=[]), CATALOGUES)
    assert len(campaign.cells) == len(set(campaign.cells)) == 4


def test_builder_is_host_or_the_device():
    assert builder_of(CATALOGUES["preset"]["p"], "here") == "host"
    assert builder_of(CATALOGUES["preset"]["q"], "here") == "here"


def test_file_with_a_bad_name_is_refused(tmp_path):
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "Bad_Name.yaml").write_text("a: 1")
    with pytest.raises(UserError, match="must match"):
        read_catalogue("protocol", tmp_path)


def table(**options):
    """Return the comparisons of a campaign with one table over two models in two precisions."""
    matrix = {"models": ["m", "n"], "presets": ["p"], "precisions": ["fp32", "int8"]}
    config = changed(matrices=[matrix], comparisons=[], tables=[{"name": "t", **options}])
    return expand_campaign(config, CATALOGUES).comparisons


def test_a_table_compares_all_pairs_that_differ_in_one_field():
    comparisons = table(across="precision", pairs=7)
    assert list(comparisons) == ["t-m-p-here-fp32-vs-int8", "t-n-p-here-fp32-vs-int8"]
    first = comparisons["t-m-p-here-fp32-vs-int8"]
    assert (first.left.precision, first.right.precision) == ("fp32", "int8")
    assert (first.varies, first.pairs, first.policy) == (("precision",), 7, "strict")


@given(st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=2, unique=True))
def test_a_table_has_every_pair_once(precisions):
    catalogues = CATALOGUES | {"preset": {"p": {"precisions": precisions, "built": "host"}}}
    matrix = {"models": ["m"], "presets": ["p"], "precisions": precisions}
    tables = [{"name": "t", "across": "precision"}]
    comparisons = expand_campaign(changed(matrices=[matrix], comparisons=[], tables=tables), catalogues).comparisons
    pairs = {frozenset((item.left.precision, item.right.precision)) for item in comparisons.values()}
    assert len(comparisons) == len(pairs) == len(precisions) * (len(precisions) - 1) // 2


def test_a_table_against_one_value_has_that_value_on_the_left():
    comparisons = table(across="precision", against="int8")
    assert list(comparisons) == ["t-m-p-here-int8-vs-fp32", "t-n-p-here-int8-vs-fp32"]
    assert {item.left.precision for item in comparisons.values()} == {"int8"}


def test_a_table_may_be_of_some_models_only_and_studies_nothing_but_precision():
    assert list(table(across="precision", models=["n"])) == ["t-n-p-here-fp32-vs-int8"]
    matrix = {"models": ["m"], "presets": ["p", "q"], "precisions": ["fp32"]}
    tables = [{"name": "t", "across": "preset"}]
    comparisons = expand_campaign(changed(matrices=[matrix], comparisons=[], tables=tables), CATALOGUES).comparisons
    assert [(name, item.varies) for name, item in comparisons.items()] == [("t-m-here-fp32-p-vs-q", ())]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (
            [{"name": "t", "across": "precision"}] * 2,
            r"tables\[1\] \(t\): the name 't-m-p-here-fp32-vs-int8' is used twice",
        ),
        ([{"name": "t", "across": "preset"}], "no two cells of the matrices differ only in preset"),
        (
            [{"name": "t", "across": "precision", "against": "fp16"}],
            "no two cells .* differ only in precision",
        ),
        (
            [{"name": "t", "across": "precision", "models": ["n"]}],
            "no two cells .* differ only in precision",
        ),
        ([{"name": "t", "across": "colour"}], "across is"),
    ],
)
def test_a_table_that_cannot_be_is_named(tables, message):
    with pytest.raises(UserError, match=message):
        expand_campaign(changed(tables=tables), CATALOGUES)


def test_a_table_may_not_take_the_name_of_a_comparison():
    comparison = CONFIG["comparisons"][0] | {"name": "t-m-p-here-fp32-vs-int8"}
    with pytest.raises(UserError, match="is used twice"):
        expand_campaign(changed(comparisons=[comparison], tables=[{"name": "t", "across": "precision"}]), CATALOGUES)


CALIBRATION = {"pairs": 5, "sessions": 2, "cells": [{"model": "m", "preset": "p", "precision": "fp32"}]}


def test_calibration_has_its_cells_on_every_device_and_adds_none_to_the_campaign():
    matrix = {"models": ["m"], "presets": ["p"], "precisions": ["int8"]}
    config = changed(devices=["here", "there"], matrices=[matrix], comparisons=[], calibration=CALIBRATION)
    campaign = expand_campaign(config, CATALOGUES)
    assert campaign.calibration == {
        "pairs": 5,
        "sessions": 2,
        "cells": [Cell("m", "p", device, "fp32") for device in ("here", "there")],
    }
    assert {cell.precision for cell in campaign.cells} == {"int8"}
    assert expand_campaign(CONFIG, CATALOGUES).calibration is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": [CALIBRATION["cells"][0] | {"model": "x"}]}, r"calibration.*: model: 'x'"),
        (
            {"cells": [CALIBRATION["cells"][0] | {"precision": "int4"}]},
            r"calibration.*: preset 'p' does not build 'int4'",
        ),
        ({"pairs": 1}, "calibration.pairs"),
    ],
)
def test_a_calibration_that_cannot_be_is_named(change, message):
    with pytest.raises(UserError, match=message):
        expand_campaign(changed(calibration=CALIBRATION | change), CATALOGUES)


def test_locks_of_editors_are_not_entries(tmp_path):
    shutil.copytree(REPOSITORY / "config/devices", tmp_path / "devices")
    (tmp_path / "devices/.#local.yaml").symlink_to("somebody@somewhere.1234")  # Emacs, while the file is edited
    (tmp_path / "devices/._local.yaml").write_bytes(b"\0\5\x16\7Mac OS X")  # macOS, on a foreign file system
    assert list(read_catalogue("device", tmp_path)) == list(read_catalogue("device", REPOSITORY / "config"))


POLICY = {"required": ["task", "precision"], "environment": ["kernel"], "require_model_bytes": True}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"waive": {"tsak": "why"}}, "waive.tsak: the policy does not compare this field; did you mean 'task'?"),
        (
            {"waive": {"task": "why"}, "gate": True},
            "gate is true and task is waived; no gate takes a waived comparison",
        ),
    ],
)
def test_a_waiver_that_cannot_be_is_named(entry, message):
    config = changed(comparisons=[{**CONFIG["comparisons"][0], **entry}])
    with pytest.raises(UserError, match=re.escape(message)):
        expand_campaign(config, {**CATALOGUES, "policy": {"strict": POLICY}})


def test_a_comparison_may_waive_what_its_policy_compares():
    waive = {"task": "why", "kernel": "why", "model_bytes": "why"}
    config = changed(comparisons=[{**CONFIG["comparisons"][0], "waive": waive}])
    assert expand_campaign(config, {**CATALOGUES, "policy": {"strict": POLICY}}).comparisons["a"].waive == waive
