"""Agent manifests: made from an artifact's own manifest, and checked field by field."""

import json

import pytest
from edgeproof.artifacts.cli import main
from edgeproof.artifacts.records.agent_manifests import list_agent_errors
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode

WISHES = [
    *("--agent-id", "door", "--agent-type", "vision", "--latency-budget-ms", "20", "--deadline-ms", "50"),
    *("--input-type", "image", "--output-type", "classes", "--fallback", "drop_stale"),
]


@pytest.fixture
def made(job, capsys):
    """(document, path): the agent manifest of an artifact, written by the command."""
    job.build("fp32")
    path = job.folder / "fp32" / "agent_manifest.json"
    words = ["agent-manifest", str(job.folder / "fp32" / "manifest.json"), *WISHES, "--output", str(path)]
    assert main(words, read_result=None, root=job.folder) == ExitCode.GOOD
    capsys.readouterr()
    return json.loads(path.read_text()), path


def test_it_says_what_the_artifacts_manifest_says(made, job, capsys):
    document, path = made
    assert document["schema_version"] == "inferedge-agent-manifest-v1"
    assert (document["required_backend"], document["precision"], document["device_target"]) == (
        "onnxruntime",
        "fp32",
        "host",
    )
    assert document["lab_compat"]["runtime_artifact_path"].endswith("fp32/artifact.onnx")
    assert list_agent_errors(document) == []
    assert main(["validate", str(path)], read_result=None, root=job.folder) == ExitCode.GOOD
    (job.folder / "fp32" / "artifact.onnx").unlink()
    assert main(["validate", str(path)], read_result=None, root=job.folder) == ExitCode.NOT_GOOD
    assert "no such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"agent_type": "sound"}, "agent_type is 'sound'; it is one of vision"),
        ({"priority": 101}, "priority is 101; a whole number from 0 to 100"),
        ({"priority": True}, "priority is True"),
        ({"latency_budget_ms": 0}, "latency_budget_ms is 0; a whole number from 1 on"),
        ({"deadline_ms": 10}, "deadline_ms is 10, less than latency_budget_ms, which is 20"),
        ({"fallback_policy": {"mode": "retry"}}, "fallback_policy.mode is 'retry'"),
        ({"fallback_policy": None}, "fallback_policy.mode is None"),
        ({"agent_id": " "}, "agent_id is ' '; a text is needed"),
        ({"precision": "int8"}, "lab_compat.precision is 'fp32', precision is 'int8'"),
        ({"lab_compat": None}, "section lab_compat is missing"),
        ({"guard_policy": "strict"}, "guard_policy is 'strict'; an object is needed"),
        ({"tool_schema_path": 5}, "tool_schema_path is 5; a path is needed"),
    ],
)
def test_what_is_wrong_is_said(made, change, message):
    assert any(message in error for error in list_agent_errors({**made[0], **change}))


def test_a_wish_that_the_format_does_not_allow_is_refused(made, job):
    words = ["agent-manifest", str(job.folder / "fp32" / "manifest.json"), *WISHES, "--priority", "500"]
    with pytest.raises(UserError, match="agent manifest: priority is 500"):
        main(words, read_result=None, root=job.folder)
