"""Ten thousand mutated bundles in one process: claims or one line, and never a traceback."""

import pytest

from ..unit.bundles.conftest import bundle, cells_bundle, in_memory, made_up  # noqa: F401 (fixtures)
from ..unit.bundles.test_verifying import verify_mutations

pytestmark = pytest.mark.campaign


@pytest.mark.usefixtures("in_memory")
@pytest.mark.parametrize(("name", "count"), [("cells_bundle", 10_000), ("bundle", 200)])
def test_ten_thousand_mutated_bundles(name, count, request, tmp_path):
    """Two fake cells; and fewer of a campaign with comparison, calibration and plan, which takes longer to verify."""
    said = verify_mutations(request.getfixturevalue(name), tmp_path, count, seed=20_261)
    assert len(said) == count and all(said)
    assert [text for text in said if "\n" in text] == []
