"""InferEdgeForge's `agent_manifest.json` (`inferedge-agent-manifest-v1`): what a runner needs of an artifact.

Forge checks the fields. We also check that the deadline leaves room for the latency budget, and that the artifact and
its manifest are there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.layout import locate

from .manifests import verify_manifest

SCHEMA = "inferedge-agent-manifest-v1"
AGENT_TYPES = ("vision", "voice", "safety", "utility")
FALLBACK_MODES = ("none", "drop_stale", "degrade_backend", "skip_low_priority", "notify_only")
_TEXTS = (
    "agent_id",
    "input_type",
    "output_type",
    "required_backend",
    "device_target",
    "precision",
    "runtime_artifact_path",
    "telemetry_contract_version",
)
_SHARED = ("runtime_artifact_path", "required_backend", "device_target", "precision")  # equal in lab_compat
_TELEMETRY = "edgeproof.telemetry.v1"


def create_agent_manifest(path: str | Path, wishes: Mapping[str, Any]) -> Json:
    """Return the agent manifest of the artifact whose manifest is at `path`, after hashing it.

    `wishes`: agent_id, agent_type, priority, latency_budget_ms, deadline_ms, input_type, output_type, fallback, target
    (None: who built it). UserError for a failed build, or a wish that the format does not allow.
    """
    manifest = verify_manifest(path)
    if manifest["status"] != "ok":
        raise UserError(f"{path}: the build failed ({manifest['reason']['message']}); there is nothing to run")
    shared = {
        "runtime_artifact_path": locate(Path(path).parent / manifest["artifact"]["file"]),
        "required_backend": manifest["preset"]["backend"],
        "device_target": wishes["target"] or manifest["cell"]["builder"],
        "precision": manifest["cell"]["precision"],
    }
    fields = ("agent_id", "agent_type", "priority", "latency_budget_ms", "deadline_ms", "input_type", "output_type")
    document = {
        "schema_version": SCHEMA,
        **{name: wishes[name] for name in fields},
        **shared,
        "fallback_policy": {"mode": wishes["fallback"]},
        "telemetry_contract_version": _TELEMETRY,
        "lab_compat": {"source_manifest_path": locate(path), **shared},
    }
    if errors := list_agent_errors(document):
        raise UserError(f"agent manifest: {errors[0]}")
    return document


def list_agent_errors(document: Json) -> list[str]:
    """Return what is wrong with an agent manifest, a sentence each."""
    errors = [
        f"{name} is {document.get(name)!r}; a text is needed" for name in _TEXTS if not _is_text(document.get(name))
    ]
    mode = (document.get("fallback_policy") or {}).get("mode") if _is_object(document, "fallback_policy") else None
    for name, value, allowed in (
        ("agent_type", document.get("agent_type"), AGENT_TYPES),
        ("fallback_policy.mode", mode, FALLBACK_MODES),
    ):
        if value not in allowed:
            errors.append(f"{name} is {value!r}; it is one of {', '.join(allowed)}")
    for name, low, high in (("priority", 0, 100), ("latency_budget_ms", 1, None), ("deadline_ms", 1, None)):
        value = document.get(name)
        if type(value) is not int or value < low or (high is not None and value > high):
            errors.append(f"{name} is {value!r}; a whole number from {low}{f' to {high}' if high else ' on'} is needed")
    budget, deadline = document.get("latency_budget_ms"), document.get("deadline_ms")
    if type(budget) is int and type(deadline) is int and deadline < budget:
        errors.append(f"deadline_ms is {deadline}, less than latency_budget_ms, which is {budget}")
    for name in ("tool_schema_path", "guard_policy"):
        kind = str if name.endswith("path") else dict
        if name in document and not isinstance(document[name], kind):
            errors.append(f"{name} is {document[name]!r}; {'a path' if kind is str else 'an object'} is needed")
    if not _is_object(document, "lab_compat"):
        return [*errors, "section lab_compat is missing"]
    lab = document["lab_compat"]
    if not _is_text(lab.get("source_manifest_path")):
        errors.append("lab_compat.source_manifest_path is no text")
    for name in _SHARED:
        if lab.get(name) != document.get(name):
            errors.append(f"lab_compat.{name} is {lab.get(name)!r}, {name} is {document.get(name)!r}")
    return errors


def list_missing_files(path: str | Path, document: Json) -> list[str]:
    """Return the files that an agent manifest names and that are not there: from here, or beside the manifest."""
    named = [document.get("runtime_artifact_path"), (document.get("lab_compat") or {}).get("source_manifest_path")]
    return [
        name
        for name in named
        if isinstance(name, str) and not (is_file(name) or is_file(Path(path).with_name(Path(name).name)))
    ]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_object(document: Json, name: str) -> bool:
    return isinstance(document.get(name), dict)
