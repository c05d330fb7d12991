"""The Open Inference Protocol, from bytes to arrays and back."""

import json

import numpy as np
import pytest
from edgeproof.runtime.inference_protocol import (
    DATATYPES,
    Contract,
    describe_tensors,
    read_infer_request,
    render_infer_response,
)
from edgeproof.runtime.wire import Refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CONTRACT = Contract([("x", "float32", ["batch", 2]), ("n", "int8", [1])], [("y", "float32", ["batch", 3])], 100)
X = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2.5]}
N = {"name": "n", "datatype": "INT8", "shape": [1], "data": [-3]}
DTYPES = [
    "bool",
    *(f"{kind}int{bits}" for kind in ("u", "") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]


def read(document, rest=b"", length=None, contract=CONTRACT):
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_infer_request(text + rest, str(len(text)) if rest or length else None, contract)


def test_json_tensors_become_arrays_of_the_model_s_types():
    request = read({"id": "a", "inputs": [X, N], "outputs": [{"name": "y"}]})
    assert request.identity == "a" and request.outputs == ["y"]
    assert request.feed["x"].tolist() == [[1.0, 2.5]] and request.feed["x"].dtype == np.float32
    assert request.feed["n"].tolist() == [-3] and request.feed["n"].dtype == np.int8
    nested = {**X, "shape": [2, 2], "data": [[1, 2], [3, 4]]}
    assert read({"inputs": [nested, N]}).feed["x"].tolist() == [[1, 2], [3, 4]]


def test_binary_tensors_follow_the_json():
    x = {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
    data = np.array([[1, np.nan]], "<f4")
    request = read({"inputs": [x, N], "parameters": {"binary_data_output": True}}, data.tobytes())
    assert request.all_binary and np.array_equal(request.feed["x"], data, equal_nan=True)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"inputs": NaN}', "NaN is not JSON"),
        (b'{"inputs": [], "inputs": []}', "twice"),
        ([], "not a JSON object"),
        ({}, "inputs is not a list"),
        ({"id": 1, "inputs": []}, "id is not a string"),
        ({"inputs": []}, "no input x, n"),
        ({"inputs": [X]}, "no input n"),
        ({"inputs": [X, X, N]}, "x stands there twice"),
        ({"inputs": [1]}, "an input is not a JSON object"),
        ({"inputs": [{**X, "name": "z" * 500}]}, "is not an input; there are x, n"),
        ({"inputs": [{**X, "datatype": "FP64"}]}, "x is FP32, not 'FP64'"),
        ({"inputs": [{**X, "shape": [2]}]}, "the model takes"),
        ({"inputs": [{**X, "shape": [1, 3], "data": [1, 2, 3]}]}, "the model takes"),
        ({"inputs": [{**X, "shape": [0, 2], "data": []}]}, "whole numbers from 1 on"),
        ({"inputs": [{**X, "shape": [True, 2]}]}, "whole numbers from 1 on"),
        ({"inputs": [{**X, "shape": [-1, 2]}]}, "whole numbers from 1 on"),
        ({"inputs": [{**X, "shape": [10**30, 2]}]}, "more than 100 elements"),
        ({"inputs": [{**X, "shape": [1] * 9}]}, "at most 8 sizes"),
        ({"inputs": [{**X, "shape": "12"}]}, "not a list"),
        ({"inputs": [{**X, "data": [1]}]}, "has 1 values, its shape asks for 2"),
        ({"inputs": [{**X, "data": [[1], [2, 3]]}]}, "is not a"),
        ({"inputs": [{**X, "data": ["1", "2"]}]}, "not a list of FP32 values"),
        ({"inputs": [{**X, "data": [True, False]}]}, "not a list of FP32 values"),
        ({"inputs": [{**X, "data": [None, None]}]}, "not a list of FP32 values"),
        ({"inputs": [{**X, "data": 1}]}, "not a list of FP32 values"),
        ({"inputs": [{**X, "data": [1e39, 0]}]}, "FP32 cannot hold"),
        (
            json.dumps({"inputs": [{**X, "data": [7, 0]}]}).replace("7", "1e999").encode(),
            "FP32 cannot hold",
        ),
        ({"inputs": [X, {**N, "data": [300]}]}, "values that INT8 cannot hold"),
        ({"inputs": [X, {**N, "data": [0.5]}]}, "not a list of INT8 values"),
        ({"inputs": [X, {**N, "data": [10**30]}]}, "not a list of INT8 values"),
        ({"inputs": [X, N], "outputs": []}, "outputs is not a list"),
        ({"inputs": [X, N], "outputs": [{"name": "q"}]}, "'q' is not an output"),
        ({"inputs": [X, N], "outputs": [{"name": "y"}, {"name": "y"}]}, "asked for twice"),
        ({"inputs": [X, N], "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "neither true nor false"),
        ({"inputs": [X, N], "parameters": []}, "parameters of the request are not an object"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(document, message):
    with pytest.raises(Refusal, match=message) as caught:
        read(document)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("size", "rest", "message"),
    [
        (4, b"1234", "binary_data_size of input x is not 8"),
        (True, b"1", "binary_data_size of input x is not 8"),
        (8, b"1234", "the body ends before input x does"),
        (8, b"123456789", "1 bytes follow the inputs"),
    ],
)
def test_bytes_of_another_length_are_refused(size, rest, message):
    x = {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": size}}
    with pytest.raises(Refusal, match=message):
        read({"inputs": [x, N]}, rest)


@pytest.mark.parametrize("length", ["-1", "1e3", "10000", "²", "9" * 50, ""])
def test_a_length_of_the_json_that_is_none_is_refused(length):
    with pytest.raises(Refusal, match="Inference-Header-Content-Length"):
        read_infer_request(b"{}", length, CONTRACT)


def test_a_boolean_is_one_byte_of_0_or_1():
    contract = Contract([("b", "bool", [2])], [], 10)
    tensor = {"name": "b", "datatype": "BOOL", "shape": [2], "parameters": {"binary_data_size": 2}}
    assert read({"inputs": [tensor]}, b"\1\0", contract=contract).feed["b"].tolist() == [True, False]
    with pytest.raises(Refusal, match="other than 0 and 1"):
        read({"inputs": [tensor]}, b"\1\2", contract=contract)


def test_a_response_names_variant_and_generation_and_keeps_the_id():
    request = read({"id": "a", "inputs": [X, N]})
    response = render_infer_response(request, {"y": np.array([[1, 2, 3]], "float32")}, "f", "tiny", 7)
    document = json.loads(response.body)
    assert document == {
        "model_name": "f",
        "model_version": "tiny",
        "id": "a",
        "parameters": {"variant": "tiny", "generation": 7},
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [1.0, 2.0, 3.0]}],
    }
    assert (b"edgeproof-variant", b"tiny") in response.headers and (b"edgeproof-generation", b"7") in response.headers


def test_json_that_cannot_hold_an_output_is_refused_and_bytes_can():
    y = np.array([[1, np.inf, 3]], "float32")
    with pytest.raises(Refusal, match="ask for it as binary") as caught:
        render_infer_response(read({"inputs": [X, N]}), {"y": y}, "f", "tiny", 1)
    assert caught.value.status == 422
    wanted = [{"name": "y", "parameters": {"binary_data": True}}]
    response = render_infer_response(read({"inputs": [X, N], "outputs": wanted}), {"y": y}, "f", "tiny", 1)
    length = int(dict(response.headers)[b"inference-header-content-length"])
    assert np.frombuffer(response.body[length:], "<f4").tolist() == y.ravel().tolist()
    unwanted = {"inputs": [X, N], "parameters": {"binary_data_output": True}}
    unwanted["outputs"] = [{"name": "y", "parameters": {"binary_data": False}}]
    assert read(unwanted).binary == {"y": False}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DTYPES).flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(max_dims=3))), st.booleans())
def test_what_goes_out_comes_in_again(value, binary):
    """A response's tensor, sent back as a request, is the same array: for every type, as JSON and as bytes."""
    if value.dtype.kind == "f" and not binary:
        value = np.nan_to_num(value, posinf=1, neginf=1)
    shape = list(value.shape)
    contract = Contract([("t", value.dtype.name, shape)], [("t", value.dtype.name, shape)], 10**6)
    zero = {"name": "t", "datatype": dict(zip(DTYPES, DATATYPES, strict=True))[value.dtype.name], "shape": shape}
    zero["data"] = np.zeros(value.size, value.dtype).tolist()
    request = read({"inputs": [zero], "parameters": {"binary_data_output": binary}}, contract=contract)
    response = render_infer_response(request, {"t": value}, "f", "v", 1)
    length = dict(response.headers).get(b"inference-header-content-length", str(len(response.body)).encode())
    tensor = json.loads(response.body[: int(length)])["outputs"][0]
    back = read({"inputs": [tensor]}, response.body[int(length) :], length=binary, contract=contract)
    assert back.feed["t"].tobytes() == value.tobytes() and back.feed["t"].dtype == value.dtype


def test_metadata_has_minus_one_for_what_is_open():
    assert describe_tensors([("x", "float16", ["n", None, 3]), ("s", None, None)]) == [
        {"name": "x", "datatype": "FP16", "shape": [-1, -1, 3]},
        {"name": "s", "datatype": "BYTES", "shape": []},
    ]
