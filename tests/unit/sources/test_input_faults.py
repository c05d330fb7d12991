"""Faults of models and samples: whatever is found wrong can be recorded."""

import ast

from edgeproof.core.documents import load_schema
from edgeproof.core.layout import REPOSITORY


def list_kinds(document):
    return set(load_schema(document)["$defs"]["reason"]["oneOf"][1]["properties"]["kind"]["enum"])


def test_every_kind_of_fault_has_a_place_in_the_documents():
    """A kind that the schema does not know would end in an error instead of a result."""
    calls = [
        node
        for path in (REPOSITORY / "scripts/edgeproof/sources").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputFault"
    ]
    raised = {call.args[0].value for call in calls if call.args and isinstance(call.args[0], ast.Constant)}
    assert {"not_found", "too_large", "wrong_digest", "unreadable"} <= raised
    assert raised - list_kinds("identity") - list_kinds("samples") == set()
