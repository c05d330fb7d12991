import copy

import pytest
from edgeproof.core.campaign import builder_of, expand_campaign, read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell
from hypothesis import given
from hypothesis import strategies as st

PRESET = {"precisions": ["fp32", "int8"], "built": "host"}
CATALOGUES = {
    "model": {"m": {}, "n": {}},
    "preset": {"p": PRESET, "q": {"precisions": ["fp32"], "built": "device"}},
    "device": {"here": {}, "there": {}},
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
        ({"protocol": "slow"}, "protocol: 'slow' is not in config/protocols/, which has quick"),
        ({"policy": "lax"}, "policy: 'lax'"),
        ({"devices": ["moon"]}, "devices: 'moon'"),
        ({"matrices": [{"models": ["x"], "presets": ["p"], "precisions": ["fp32"]}]}, r"matrices\[0\]: model: 'x'"),
        ({"matrices": [{"models": ["m"], "presets": ["q"], "precisions": ["int8"]}]}, "'q' does not build 'int8'"),
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
