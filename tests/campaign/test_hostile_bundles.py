"""Ten thousand mutated bundles in one process: claims or one line, and never a traceback."""

import pytest

from ..unit.bundles.conftest import failed_bundle, made_up  # noqa: F401 (fixtures)
from ..unit.bundles.test_verifying import verify_mutations

pytestmark = pytest.mark.campaign
COUNT = 10_000


def test_ten_thousand_mutated_bundles(failed_bundle, tmp_path):  # noqa: F811
    said = verify_mutations(failed_bundle, tmp_path, COUNT, seed=20_261)
    assert len(said) == COUNT and all(said)
    assert [text for text in said if "\n" in text] == []
