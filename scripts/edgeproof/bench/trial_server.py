"""One server of the serving benchmark in a process of its own; it prints its address, and the time of each swap.

    python -m edgeproof.bench.trial_server KIND FOLDER SWAP_EVERY_S     (KIND: uvicorn, h11 or minimal)

`minimal` is what somebody would write by hand: a Starlette application of a few lines around the same session.
"""

import contextlib
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from edgeproof.adaptation.asgi_service import HostServer
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.h11_server import H11Server, open_listener
from edgeproof.runtime.http_service import Service

from .trial_family import write_networks

_THREADS = {"intra_op_threads": 1, "spinning": False}


def _serve_minimal(path: str) -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])

    async def infer(request: Request) -> JSONResponse:
        document: Any = await request.json()
        tensor = document["inputs"][0]
        x = np.array(tensor["data"], "float32").reshape(tensor["shape"])
        outputs: Any = await run_in_threadpool(session.run, None, {tensor["name"]: x})
        y = outputs[0]
        answer = {"name": "y", "datatype": "FP32", "shape": list(y.shape), "data": y.ravel().tolist()}
        return JSONResponse({"model_name": "networks", "outputs": [answer]})

    application = Starlette(routes=[Route("/v2/models/networks/infer", infer, methods=["POST"])])
    listener = open_listener("127.0.0.1", 0)
    _tell({"port": listener.getsockname()[1]})
    config = uvicorn.Config(application, http="h11", ws="none", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


def _serve_engine(kind: str, folder: Path, swap_every_s: float) -> None:
    family = write_networks(folder)
    engine = Engine(family, lambda state, known: "wide", initial_variant="wide", runtime=_THREADS)
    service = Service(engine, family.name, ServiceLimits(workers=2))
    server = H11Server(service) if kind == "h11" else HostServer(service)
    server.start()
    _tell({"port": server.address[1]})
    ended = threading.Event()
    threading.Thread(target=_wait_for_end, args=(ended,), daemon=True).start()
    while not ended.wait(swap_every_s or None):
        began = time.monotonic_ns()
        engine.swap_to("narrow" if engine.active_variant == "wide" else "wide")
        _tell({"swap_ns": began})
    server.stop()
    engine.close()


def _wait_for_end(ended: threading.Event) -> None:
    with contextlib.suppress(OSError):
        sys.stdin.read()
    ended.set()


def _tell(document: dict[str, int]) -> None:
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "minimal":
        write_networks(Path(sys.argv[2]))
        _serve_minimal(f"{sys.argv[2]}/wide.onnx")
    else:
        _serve_engine(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
