"""The Open Inference Protocol, version 2: from the bytes of a request to arrays, and from arrays to a response.

JSON tensors and the binary extension (`Inference-Header-Content-Length`, `binary_data_size`) are understood, for
numbers and booleans. Everything here is a pure function of its arguments.

Source: https://github.com/kserve/open-inference-protocol, and Triton's extension `binary_tensor_data`.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy

from ..agent.specs import Array, TensorInfo
from .wire import Refusal, Response, render_json

LENGTH_HEADER = b"inference-header-content-length"

_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
DATATYPES = tuple(_DATATYPES.values())
_BY_DTYPE = {numpy.dtype(name): datatype for name, datatype in _DATATYPES.items()}
# What JSON may bring for a type of each kind: numpy's letters for bool, unsigned, signed, float.
_ACCEPTED = {"b": "b", "u": "ui", "i": "ui", "f": "uif"}
_MOST_DIMENSIONS = 8


class InferRequest(NamedTuple):
    """A request, read. `outputs`: wanted names in order, None for all.

    `binary`: what was said of single outputs, whether they go out as bytes; `all_binary`: what goes for the others.
    """

    identity: Optional[str]
    feed: Dict[str, Array]
    outputs: Optional[List[str]]
    binary: Dict[str, bool]
    all_binary: bool


class Contract(NamedTuple):
    """What a model takes and gives; a dimension that is open is a name or None. `most_elements`: of one input."""

    inputs: Sequence[TensorInfo]
    outputs: Sequence[TensorInfo]
    most_elements: int


def describe_tensors(tensors: Sequence[TensorInfo]) -> List[Dict[str, Any]]:
    """Return the metadata of tensors as the inference protocol has it; an open dimension is -1."""
    return [
        {
            "name": name,
            "datatype": _DATATYPES.get(str(dtype), "BYTES"),
            "shape": [size if isinstance(size, int) and size > 0 else -1 for size in shape or []],
        }
        for name, dtype, shape in tensors
    ]


def read_infer_request(body: bytes, header_length: Optional[str], contract: Contract) -> InferRequest:
    """Return the inference request in a body, as the protocol has it; Refusal (400) that names what is wrong.

    `header_length`: the value of `Inference-Header-Content-Length`, None where all of the body is JSON.
    """
    text, rest = _split(body, header_length)
    document = _require_object(_read_json(text), "the request is not a JSON object")
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise Refusal(400, "id is not a string")
    feed = _read_inputs(document.get("inputs"), rest, contract)
    outputs, binary = _read_outputs(document.get("outputs"), contract)
    all_binary = _read_flag(_parameters(document, "the request"), "binary_data_output")
    return InferRequest(identity, feed, outputs, binary, all_binary)


def render_infer_response(
    request: InferRequest, outputs: Dict[str, Array], model: str, variant: str, generation: int
) -> Response:
    """Return the inference protocol's response with the outputs by name; Refusal where JSON cannot hold a value."""
    described: List[Dict[str, Any]] = []
    blobs: List[bytes] = []
    for name in request.outputs if request.outputs is not None else list(outputs):
        value = numpy.asarray(outputs[name])
        entry: Dict[str, Any] = {"name": name, "datatype": _datatype_of(name, value), "shape": list(value.shape)}
        if request.binary.get(name, request.all_binary):
            blobs.append(numpy.ascontiguousarray(value).astype(value.dtype.newbyteorder("<"), copy=False).tobytes())
            entry["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            if value.dtype.kind == "f" and not numpy.isfinite(value).all():
                raise Refusal(422, "output {} has values that JSON cannot hold; ask for it as binary".format(name))
            entry["data"] = value.ravel().tolist()
        described.append(entry)
    document: Dict[str, Any] = {"model_name": model, "model_version": variant}
    if request.identity is not None:
        document["id"] = request.identity
    document["parameters"] = {"variant": variant, "generation": generation}
    document["outputs"] = described
    response = render_json(200, document, name_model(variant, generation))
    if not blobs:
        return response
    headers = [(b"content-type", b"application/octet-stream"), *response.headers[1:]]
    headers.append((LENGTH_HEADER, str(len(response.body)).encode()))
    return Response(200, headers, b"".join([response.body, *blobs]))


def name_model(variant: str, generation: int) -> List[Tuple[bytes, bytes]]:
    """Return the headers of the inference protocol's response that say which variant answered, and which load."""
    safe = variant.encode("ascii", "backslashreplace")
    return [(b"edgeproof-variant", safe), (b"edgeproof-generation", str(generation).encode())]


def _datatype_of(name: str, value: Array) -> str:
    try:
        return _BY_DTYPE[value.dtype]
    except KeyError:
        message = "output {} has type {}, which the protocol does not know".format(name, value.dtype)
        raise Refusal(422, message) from None


def _split(body: bytes, header_length: Optional[str]) -> Tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    if not (header_length.isascii() and header_length.isdigit()) or len(header_length) > 12:
        raise Refusal(400, "Inference-Header-Content-Length is no length: {!r}".format(header_length[:20]))
    if int(header_length) > len(body):
        raise Refusal(400, "Inference-Header-Content-Length is {}, the body {}".format(header_length, len(body)))
    return body[: int(header_length)], body[int(header_length) :]


def _read_json(text: bytes) -> Any:
    try:
        return _DECODER.decode(text.decode())
    except (UnicodeDecodeError, RecursionError, ValueError) as error:  # ValueError: json's own, and too many digits
        raise Refusal(400, "the request is not JSON: {}".format(str(error)[:200])) from None


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError("{} is not JSON".format(word))


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _require_object(found: Any, message: str) -> Dict[str, Any]:
    """Return a JSON object; Refusal with the message where it is none."""
    if not isinstance(found, dict):
        raise Refusal(400, message)
    return cast(Dict[str, Any], found)


def _require_list(found: Any, message: str) -> List[Any]:
    """Return a JSON list; Refusal with the message where it is none."""
    if not isinstance(found, list):
        raise Refusal(400, message)
    return cast(List[Any], found)


def _parameters(document: Dict[str, Any], what: str) -> Dict[str, Any]:
    found = document.get("parameters")
    if found is None:
        return {}
    return _require_object(found, "parameters of {} are not an object".format(what))


def _read_flag(parameters: Dict[str, Any], name: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(400, "{} is neither true nor false".format(name))
    return value


def _read_inputs(found: Any, rest: bytes, contract: Contract) -> Dict[str, Array]:
    known = {name: (dtype, shape) for name, dtype, shape in contract.inputs}
    feed: Dict[str, Array] = {}
    offset = 0
    for item in _require_list(found, "inputs is not a list"):
        entry = _require_object(item, "an input is not a JSON object")
        name = entry.get("name")
        if not isinstance(name, str) or name not in known:
            raise Refusal(400, "{!r:.60} is not an input; there are {}".format(name, ", ".join(known)))
        if name in feed:
            raise Refusal(400, "input {} stands there twice".format(name))
        dtype, wanted = known[name]
        shape = _read_shape(name, entry.get("shape"), wanted, contract.most_elements)
        if entry.get("datatype") != _DATATYPES.get(str(dtype)):
            told = (name, _DATATYPES.get(str(dtype)), entry.get("datatype"))
            raise Refusal(400, "input {} is {}, not {!r:.20}".format(*told))
        size = _parameters(entry, "input " + name).get("binary_data_size")
        if size is None:
            feed[name] = _read_values(name, entry.get("data"), str(dtype), shape)
            continue
        if "data" in entry:
            raise Refusal(400, "input {} has data both as JSON and as bytes".format(name))
        expected = numpy.dtype(str(dtype)).itemsize * _count(shape)
        if size is True or size is False or size != expected:
            raise Refusal(400, "binary_data_size of input {} is not {}".format(name, expected))
        if offset + expected > len(rest):
            raise Refusal(400, "the body ends before input {} does".format(name))
        feed[name] = _read_bytes(name, rest[offset : offset + expected], str(dtype), shape)
        offset += expected
    if missing := [name for name in known if name not in feed]:
        raise Refusal(400, "no input {}".format(", ".join(missing)))
    if offset != len(rest):
        raise Refusal(400, "{} bytes follow the inputs".format(len(rest) - offset))
    return feed


def _read_shape(name: str, found: Any, wanted: Optional[List[Any]], most_elements: int) -> List[int]:
    sizes = cast(List[Any], found) if isinstance(found, list) else None
    if sizes is None or len(sizes) > _MOST_DIMENSIONS:
        raise Refusal(400, "shape of input {} is not a list of at most {} sizes".format(name, _MOST_DIMENSIONS))
    if not all(type(size) is int and size >= 1 for size in sizes):
        raise Refusal(400, "shape of input {} has something other than whole numbers from 1 on".format(name))
    if wanted is not None:
        fits = len(sizes) == len(wanted) and all(
            size == known or not isinstance(known, int) or known <= 0 for size, known in zip(sizes, wanted)
        )
        if not fits:
            raise Refusal(400, "shape of input {} is {!s:.60}; the model takes {}".format(name, sizes, wanted))
    if _count(sizes) > most_elements:
        raise Refusal(400, "input {} has more than {} elements".format(name, most_elements))
    return sizes


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


def _read_values(name: str, found: Any, dtype: str, shape: List[int]) -> Array:
    kind = numpy.dtype(dtype).kind
    try:
        value = numpy.asarray(found)
        if kind == "u" and value.dtype.kind == "f":  # what numpy makes of whole numbers beyond int64
            exact = numpy.asarray(found, "object")
            if all(type(item) is int and 0 <= item < 2**64 for item in exact.ravel()):
                value = exact.astype("uint64")
    except (ValueError, OverflowError):  # lists of unequal length, or too deep
        raise Refusal(400, "data of input {} is not an array".format(name)) from None
    if value.dtype.kind not in _ACCEPTED[kind] or not isinstance(found, list):
        raise Refusal(400, "data of input {} is not a list of {} values".format(name, _DATATYPES[dtype]))
    if value.size != _count(shape):
        raise Refusal(400, "input {} has {} values, its shape asks for {}".format(name, value.size, _count(shape)))
    with numpy.errstate(over="ignore", invalid="ignore"):
        cast = value.astype(dtype)
        held = numpy.isfinite(cast).all() if kind == "f" else (cast == value).all()
    if not held:
        raise Refusal(400, "input {} has values that {} cannot hold".format(name, _DATATYPES[dtype]))
    return cast.reshape(shape)


def _read_bytes(name: str, data: bytes, dtype: str, shape: List[int]) -> Array:
    value = numpy.frombuffer(data, numpy.dtype(dtype).newbyteorder("<")).astype(dtype).reshape(shape)
    if dtype == "bool" and set(data) - {0, 1}:
        raise Refusal(400, "input {} has booleans other than 0 and 1".format(name))
    return value


def _read_outputs(found: Any, contract: Contract) -> Tuple[Optional[List[str]], Dict[str, bool]]:
    if found is None:
        return None, {}
    if found == []:
        raise Refusal(400, "outputs is not a list of wanted outputs")
    known = [name for name, _, _ in contract.outputs]
    names: List[str] = []
    binary: Dict[str, bool] = {}
    for item in _require_list(found, "outputs is not a list of wanted outputs"):
        entry = _require_object(item, "an output is not a JSON object")
        name = entry.get("name")
        if not isinstance(name, str) or name not in known:
            raise Refusal(400, "{!r:.60} is not an output; there are {}".format(name, ", ".join(known)))
        if name in names:
            raise Refusal(400, "output {} is asked for twice".format(name))
        names.append(name)
        parameters = _parameters(entry, "output " + name)
        if "binary_data" in parameters:
            binary[name] = _read_flag(parameters, "binary_data")
    return names, binary
