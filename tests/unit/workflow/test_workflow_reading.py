"""A preset names a toolchain that can be made, or one line says which there are."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.workflow.workflow_reading import require_locks


@pytest.fixture
def locks(tmp_path):
    for name in ("litert", "tensorflow"):
        (tmp_path / f"{name}.lock").touch()
    return str(tmp_path)


def test_known_toolchains_and_none_pass(locks):
    presets = {"a": {"toolchain": "tensorflow", "runtime_toolchain": "litert"}, "b": {}, "c": {"toolchain": None}}
    assert require_locks(presets, locks) is None


@pytest.mark.parametrize("key", ["toolchain", "runtime_toolchain"])
def test_a_toolchain_without_a_lock_is_one_line(locks, key):
    with pytest.raises(UserError) as refused:
        require_locks({"lite": {key: "litertx"}}, locks)
    assert str(refused.value).startswith(f"config/presets/lite.yaml: {key} is 'litertx', and there is no ")
    assert str(refused.value).endswith("there are litert, tensorflow")
