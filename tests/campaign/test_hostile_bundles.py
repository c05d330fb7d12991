"""Ten thousand mutated bundles in one process: claims or one line, and never a traceback."""

import pytest

from ..unit.bundles.conftest import failed_bundle, made_up  # noqa: F401 (fixtures)
from ..unit.bundles.test_verifying import check_mutations

pytestmark = pytest.mark.campaign


def test_ten_thousand_mutated_bundles(failed_bundle, tmp_path):  # noqa: F811
    check_mutations(failed_bundle, tmp_path, 10_000, seed=20_261)
