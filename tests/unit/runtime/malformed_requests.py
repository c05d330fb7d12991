"""Requests as nobody should send them: raw bytes of one connection, made from a seed."""

import json
import random

_GOOD = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 8], "data": [1.0] * 8}]}
_PATH = "/v2/models/sums/infer"


def make_malformed(seed):
    """Return (what is wrong, bytes to send, whether the client closes its side afterwards)."""
    draw = random.Random(seed)
    kind = draw.choice(sorted(_MAKERS))
    return kind, _MAKERS[kind](draw), draw.random() < 0.7


def compose(body, *headers, line=f"POST {_PATH} HTTP/1.1"):
    """Return a request with these headers besides its host."""
    text = "\r\n".join([line, "host: here", *headers])
    return text.encode("latin-1") + b"\r\n\r\n" + body


def _post(body, *headers):
    return compose(body, f"content-length: {len(body)}", *headers)


def _make_noise(draw):
    return draw.randbytes(draw.randrange(1, 300)) + b"\r\n\r\n"


def _cut(draw):
    whole = _post(json.dumps(_GOOD).encode())
    return whole[: draw.randrange(1, len(whole))]


def _flip(draw):
    whole = bytearray(_post(json.dumps(_GOOD).encode()))
    for _ in range(draw.randrange(1, 6)):
        whole[draw.randrange(len(whole))] = draw.randrange(256)
    return bytes(whole)


def _make_wrong_json(draw):
    values = [None, True, [], {}, "x", 1e308, -1, 10**40, [[]], [None], {"name": "x"}, "\u0000", [1] * 50]
    document = json.loads(json.dumps(_GOOD))
    place = document["inputs"][0]
    for key in draw.sample(sorted(place), draw.randrange(1, 4)):
        place[key] = draw.choice(values)
    if draw.random() < 0.3:
        document[draw.choice(["id", "inputs", "outputs", "parameters"])] = draw.choice(values)
    return _post(json.dumps(document).encode())


def _make_deep_json(draw):
    depth = draw.choice([40, 2_000, 50_000])
    return _post(b'{"inputs":' + b"[" * depth + b"]" * depth + b"}")


def _make_wrong_length(draw):
    body = json.dumps(_GOOD).encode()
    length = draw.choice(["-1", "+5", "0x10", "1e3", " ", "9" * 30, "5, 6", str(len(body) + 7), "0", "999999999"])
    return compose(body, f"content-length: {length}")


def _smuggle(draw):
    body = b"0\r\n\r\nGET /v2/health/live HTTP/1.1\r\nhost: x\r\n\r\n"
    headers = draw.choice(
        [
            (f"content-length: {len(body)}", "transfer-encoding: chunked"),
            ("transfer-encoding: chunked", f"content-length: {len(body)}"),
            ("content-length: 5", "content-length: 6"),
            ("transfer-encoding: identity, chunked",),
            ("transfer-encoding: xchunked",),
            ("transfer-encoding : chunked",),
            ("transfer-encoding: chunked", "transfer-encoding: chunked"),
            ("x: y\r\n folded: z", f"content-length: {len(body)}"),
            (f"content-length: {len(body)}\x0b",),
        ]
    )
    return compose(body, *headers)


def _make_wrong_chunks(draw):
    chunk = draw.choice(
        [b"zz\r\n", b"5\r\nab\r\n", b"fffffffffffffffffffff\r\n", b"-1\r\n\r\n", b"3;" + b"e" * 20000, b"\r\n"]
    )
    return compose(chunk, "transfer-encoding: chunked")


def _make_long_head(draw):
    return compose(
        b"", *[f"h{number}: {'v' * draw.choice([10, 1000, 30000])}" for number in range(draw.randrange(20, 60))]
    )


def _make_wrong_line(draw):
    lines = [
        "GET",
        "GET /",
        "GET / HTTP/9.9",
        "get /v2 http/1.1",
        "GET  /v2 HTTP/1.1",
        "PRI * HTTP/2.0",
        "\x16\x03\x01\x02",
    ]
    lines += ["GET http://else/v2 HTTP/1.1", "CONNECT here:1 HTTP/1.1", "OPTIONS * HTTP/1.1", "TRACE /v2 HTTP/1.1"]
    lines += [
        f"GET /{'a' * 70000} HTTP/1.1",
        "GET /v2/models/%00 HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "GET /v2/../x HTTP/1.1",
    ]
    lines += [f"DELETE {_PATH} HTTP/1.1", f"HEAD {_PATH} HTTP/1.1", "POST /v2/models/sums/versions/9/infer HTTP/1.1"]
    return compose(b"", line=draw.choice(lines))


def _make_wrong_binary(draw):
    length = draw.choice(["0", "5", "99999", "-3", "x", "9" * 40])
    document = {
        "inputs": [{**_GOOD["inputs"][0], "parameters": {"binary_data_size": draw.choice([1, -1, 32, 10**12])}}]
    }
    return _post(json.dumps(document).encode() + b"\0" * 32, f"inference-header-content-length: {length}")


def _pipeline(draw):
    return _post(json.dumps(_GOOD).encode()) * draw.randrange(2, 5) + _make_noise(draw)


_MAKERS = {
    "noise": _make_noise,
    "cut": _cut,
    "flipped": _flip,
    "wrong json": _make_wrong_json,
    "deep json": _make_deep_json,
    "wrong length": _make_wrong_length,
    "smuggled": _smuggle,
    "wrong chunks": _make_wrong_chunks,
    "long head": _make_long_head,
    "wrong line": _make_wrong_line,
    "wrong binary": _make_wrong_binary,
    "pipelined": _pipeline,
}
