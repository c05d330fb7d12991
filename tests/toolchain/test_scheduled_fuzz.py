"""2,000 drawn scheduled scenarios against all placements and orders: no false optimum, no false "infeasible"."""

import pytest
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import parse_scenario

from ..unit.plans.drawn_schedules import draw_schedule, find_least_makespan

pytestmark = pytest.mark.toolchain


@pytest.mark.parametrize("start", range(1000, 3000, 100))
def test_no_claim_about_a_schedule_is_false(start):
    wrong, alone = [], 0
    for seed in range(start, start + 100):
        scenario = parse_scenario(draw_schedule(seed))
        least = find_least_makespan(scenario)
        answer = plan_scenario(scenario, Request("min-latency", top_k=1, front=False, draws=0)).answer
        alone += answer.status.endswith("(one engine)")
        claimed = None if not answer.placements else answer.objective
        if answer.status in ("gap", "unknown") or (claimed is None) != (least is None):
            wrong.append((seed, answer.status, least))
        elif least is not None and abs(claimed - least) > 1e-9:
            wrong.append((seed, claimed, least))
    assert wrong == []
    assert alone == 0  # these are small enough for the second proof
