"""A campaign's five-phase evaluation: which cells are its candidates, and what is wrong with one."""

import pytest
from edgeproof.core.campaign import expand_campaign
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell
from edgeproof.core.phase_plan import expand_phases

CATALOGUES = {
    "model": {"m": {}, "n": {}},
    "preset": {
        "p": {"precisions": ["fp32", "int8"], "built": "host"},
        "vendor": {"precisions": ["fp32"], "built": "host"},
    },
    "device": {name: {"transport": "local"} for name in ("here", "there")},
    "protocol": {"quick": {}},
    "policy": {"strict": {}},
    "criteria": {"edge": {}, "interactive": {}},
}
CONFIG = {
    "campaign": "c",
    "protocol": "quick",
    "policy": "strict",
    "devices": ["here", "there"],
    "matrices": [
        {"models": ["m"], "presets": ["p"], "precisions": ["fp32", "int8"]},
        {"models": ["m", "n"], "presets": ["vendor"], "precisions": ["fp32"]},
    ],
}
SDK = {"preset": "vendor", "precision": "fp32"}


def expand(**phases):
    config = {**CONFIG, "phases": {"model": "m", **phases}}
    return expand_phases(config, expand_campaign(config, CATALOGUES), CATALOGUES, "c.yaml")


def test_candidates_are_the_models_cells_on_each_device():
    plan = expand(sdk=SDK)
    assert plan.devices == ("here", "there")
    assert plan.cells_of("there") == {
        "sdk": Cell("m", "vendor", "there", "fp32"),
        "p/fp32": Cell("m", "p", "there", "fp32"),
        "p/int8": Cell("m", "p", "there", "int8"),
    }
    assert len(plan.cells()) == 6 and (plan.more_than, plan.criteria, plan.lighter_by) == (200, "edge", "size")


def test_a_campaign_without_phases_has_none():
    assert expand_phases(CONFIG, expand_campaign(CONFIG, CATALOGUES), CATALOGUES, "c.yaml") is None


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ({"model": "o"}, r"c\.yaml: phases: model: the campaign has no cell of 'o'; it has m, n"),
        ({"sdk": {"preset": "p", "precision": "fp16"}}, r"sdk: the campaign has no cell of p/fp16; add it to a matrix"),
        ({"hybrid": {"preset": "q", "precision": "fp32"}}, r"hybrid: the campaign has no cell of q/fp32"),
        ({"criteria": "egde"}, r"criteria: there is no config/criteria/egde\.yaml.*edge"),
    ],
)
def test_a_mistake_names_its_key(phases, message):
    with pytest.raises(UserError, match=message):
        expand(**phases)
