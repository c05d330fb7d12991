"""How long a campaign may take, from the budgets of its protocol."""

from edgeproof.agent.blocks import pair_seconds
from edgeproof.core.campaign_files import expand_campaign_files, read_campaign_files
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.measuring_budgets import PAIR_SECONDS, budget_measuring, sum_budgets

CATALOGUE = {kind: read_catalogue(kind, REPOSITORY / "config") for kind in CATALOGUES}


def budget(**changes):
    files = read_campaign_files([REPOSITORY / "config/config.yaml"], root=REPOSITORY)
    campaign = expand_campaign_files(files, CATALOGUE)
    return campaign, budget_measuring(campaign._replace(**changes), CATALOGUE["protocol"])


def test_a_pair_takes_what_the_agent_plans_for_it():
    assert pair_seconds({}) == PAIR_SECONDS


def test_the_budget_of_the_demo_is_that_of_its_protocol():
    campaign, found = budget()
    protocol = CATALOGUE["protocol"][campaign.protocol]
    pairs = len(campaign.comparisons) * protocol["pairs"] * PAIR_SECONDS
    assert found["measure_pairs"] == (len(campaign.comparisons), protocol["pairs"] * PAIR_SECONDS)
    assert found["measure_run"].jobs == len(campaign.cells)
    timed = protocol["processes"] * (protocol["warmup_seconds"] + protocol["min_seconds"])
    assert found["measure_run"].seconds > timed
    assert sum_budgets(found) > pairs + len(campaign.cells) * timed


def test_seconds_of_a_comparison_limit_it_and_what_a_campaign_lacks_is_left_out():
    campaign, _ = budget()
    limited = {name: own._replace(seconds=7.0) for name, own in campaign.comparisons.items()}
    assert budget(comparisons=limited, calibration=None)[1]["measure_pairs"].seconds == 7.0
    assert set(budget(comparisons={}, calibration=None)[1]) == {"measure_run"}
