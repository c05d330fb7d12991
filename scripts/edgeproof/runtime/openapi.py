"""The OpenAPI document of a service: what it takes and gives, for clients and for fuzzers."""

from __future__ import annotations

from typing import Any, Dict, Optional

from .inference_protocol import DATATYPES

_TENSOR: Dict[str, Any] = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string", "enum": [*DATATYPES, "BYTES"]},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": -1}},
    },
}
_VALUES = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "array"}]}}
_REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
        "inputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "datatype", "shape", "data"],
                "properties": {
                    "name": {"type": "string"},
                    "datatype": {"type": "string", "enum": [*DATATYPES]},
                    "shape": {"type": "array", "maxItems": 8, "items": {"type": "integer", "minimum": 1}},
                    "data": _VALUES,
                },
            },
        },
        "outputs": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        },
    },
}
_ANSWER: Dict[str, Any] = {
    "type": "object",
    "required": ["model_name", "model_version", "parameters", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "parameters": {
            "type": "object",
            "required": ["variant", "generation"],
            "properties": {"variant": {"type": "string"}, "generation": {"type": "integer"}},
        },
        "outputs": {
            "type": "array",
            "items": {**_TENSOR, "properties": {**_TENSOR["properties"], "data": _VALUES}},
        },
    },
}
_ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_MODEL = {
    "type": "object",
    "required": ["name", "versions", "platform", "inputs", "outputs"],
    "properties": {
        "name": {"type": "string"},
        "versions": {"type": "array", "items": {"type": "string"}},
        "platform": {"type": "string"},
        "inputs": {"type": "array", "items": _TENSOR},
        "outputs": {"type": "array", "items": _TENSOR},
    },
}
_REFUSALS = {
    "400": "The request is not one, or does not fit the model.",
    "401": "The bearer token is missing or wrong.",
    "404": "Nothing is there.",
    "405": "The path takes another method.",
    "408": "The request did not come in time.",
    "411": "The body has no length.",
    "413": "The body is too long.",
    "415": "The body is encoded.",
    "422": "The answer cannot be given as asked for.",
    "429": "The queue is full; `Retry-After` says when to come again.",
    "431": "The head is too long.",
    "501": "What was asked for is not here.",
    "503": "No answer now; `Retry-After` says when to come again.",
}


def describe_api(model: str, version: str, needs_token: bool) -> Dict[str, Any]:
    """Return the OpenAPI 3.1 document of a service that serves the model of this name."""
    path = "/v2/models/" + model
    flag: Dict[str, Any] = {"type": "object"}
    document: Dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "edgeproof: {}".format(model), "version": version},
        "paths": {
            "/v2/health/live": {"get": _operation("The server is up.", flag)},
            "/v2/health/ready": {"get": _operation("The server takes requests.", flag)},
            "/v2": {"get": _operation("The server's name and extensions.", flag)},
            path: {"get": _operation("What the model takes and gives.", _MODEL)},
            path + "/ready": {"get": _operation("The model takes requests.", flag)},
            path + "/infer": {"post": _operation("Run one inference.", _ANSWER, _REQUEST)},
            "/metrics": {"get": _operation("Counters for Prometheus.", None)},
        },
    }
    if needs_token:
        document["components"] = {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}}
        document["security"] = [{"bearer": []}]
    return document


def _operation(
    summary: str, answer: Optional[Dict[str, Any]], request: Optional[Dict[str, Any]] = None
) -> Dict[str, Any]:
    plain: Dict[str, Any] = {"text/plain": {}}
    content = plain if answer is None else {"application/json": {"schema": answer}}
    found: Dict[str, Any] = {"summary": summary, "responses": {"200": {"description": summary, "content": content}}}
    for status, text in _REFUSALS.items():
        found["responses"][status] = {"description": text, "content": {"application/json": {"schema": _ERROR}}}
    if request is not None:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
    return found
