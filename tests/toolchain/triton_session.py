"""What Triton's own client asks a server; run in the environment `clients`, with an address as its argument."""

import sys

import numpy as np
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

WIDTH = 8


def main(url):
    """Ask for everything that the protocol has, as JSON and as bytes; an AssertionError says what is wrong."""
    client = triton.InferenceServerClient(url)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("sums")
    assert client.get_server_metadata()["name"] == "edgeproof"
    assert client.get_model_metadata("sums")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, WIDTH]}]
    x = np.arange(2 * WIDTH, dtype="float32").reshape(2, WIDTH)
    for binary_in in (True, False):
        tensor = triton.InferInput("x", x.shape, "FP32")
        tensor.set_data_from_numpy(x, binary_data=binary_in)
        assert np.array_equal(client.infer("sums", [tensor]).as_numpy("y"), 2 * x + 1)
        for binary_out in (True, False):
            wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)]
            answer = client.infer("sums", [tensor], request_id="7", outputs=wanted)
            assert np.array_equal(answer.as_numpy("y"), 2 * x + 1)
            assert answer.get_response()["id"] == "7" and answer.get_response()["parameters"]["variant"] == "full"
    try:
        client.infer("else", [tensor])
    except InferenceServerException as error:
        assert "no model 'else'" in str(error)
    else:
        raise AssertionError("a model that is not there has answered")
    client.close()
    print("all asked")


if __name__ == "__main__":
    main(sys.argv[1])
