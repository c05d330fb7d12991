"""The runtime package on a board: a family served by h11, and swapped whenever a line with a variant's name comes in.

python swapping_server.py FOLDER ISOLATION      (run by the board's own Python; the wheel is on PYTHONPATH)
"""

import json
import os
import sys

from edgeproof_runtime.agent.environment import read_emulator
from edgeproof_runtime.runtime.admission import ServiceLimits
from edgeproof_runtime.runtime.engine import Engine
from edgeproof_runtime.runtime.h11_server import H11Server
from edgeproof_runtime.runtime.http_service import Service
from edgeproof_runtime.runtime.selection import MaximizeAccuracy
from edgeproof_runtime.runtime.swapping import SwapTimes
from edgeproof_runtime.runtime.variants import ModelFamily

_PATIENCE_S = 600.0


def main(folder, isolation):
    """Serve until the input ends; print the port, then the variant that is active after each swap."""
    family = ModelFamily("sums")
    for name in ("full", "quantized", "tiny"):
        family.add_variant(name, os.path.join(folder, name + ".onnx"), "medium")
    # Nothing here is about time, and an emulated process takes long to start on a machine with other things to do.
    engine = Engine(family, MaximizeAccuracy(), isolation=isolation, times=SwapTimes(_PATIENCE_S, _PATIENCE_S))
    limits = ServiceLimits(queue_s=_PATIENCE_S, head_s=_PATIENCE_S, idle_s=_PATIENCE_S, drain_s=_PATIENCE_S)
    server = H11Server(Service(engine, family.name, limits))
    server.start()
    tell({"port": server.address[1], "python": list(sys.version_info[:2]), "emulator": read_emulator()})
    for line in sys.stdin:
        assert engine.swap_to(line.strip()), "another load runs"
        assert engine.wait_for_swaps(_PATIENCE_S), "the swap does not end"
        tell({"active": engine.active_variant, "reason": engine.last_swap_reason})
    assert server.stop(), "requests were not answered"
    engine.close()


def tell(document):
    """Print a line of JSON."""
    print(json.dumps(document), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
