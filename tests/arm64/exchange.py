"""One request of the Open Inference Protocol, over a connection of its own."""

import json
from http.client import HTTPConnection


def ask(port, model, values):
    """Return the answer to float32 `values` as the one row of the input `x`; the status must be 200."""
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, len(values)], "data": values}
    link = HTTPConnection("127.0.0.1", port, timeout=600)
    link.request("POST", f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}))
    answer = link.getresponse()
    text = answer.read()
    link.close()
    assert answer.status == 200, text
    return json.loads(text)
