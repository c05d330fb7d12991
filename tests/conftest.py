"""Which tests stay together when several workers share the fast suite."""

from pathlib import Path

import pytest

WORKFLOW = Path(__file__).parent / "workflow"


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Keep a file's tests in one worker: what they share is made once. Those of the workflow share a campaign, and are
    first, since they take longest.
    """
    items.sort(key=lambda item: WORKFLOW not in item.path.parents)
    for item in items:
        group = "workflow" if WORKFLOW in item.path.parents else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
