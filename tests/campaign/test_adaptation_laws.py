"""Laws of adaptation over 10,000 random traces; the fast suite has a few hundred."""

import pytest

from ..unit.adaptation.replay_laws import check_laws

pytestmark = pytest.mark.campaign


@pytest.mark.parametrize("block", range(10))
def test_laws_hold_over_many_worlds(block):
    assert sum(check_laws(seed) for seed in range(1000 * block, 1000 * (block + 1))) > 700
