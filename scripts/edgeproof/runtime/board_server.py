"""Serve a family on a board, with numpy, one runtime and h11.

python -m edgeproof_runtime.runtime.board_server FAMILY [options]       (FAMILY: a family file, JSON or YAML)
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import List

from .h11_server import H11Server
from .service_arguments import add_service_options
from .service_options import build_serving, describe_exposure, serve_until_told
from .variants import ModelFamily


def _main(argv: List[str]) -> int:
    parser = argparse.ArgumentParser(prog="board_server", description="Serve a model family, adapting to the device.")
    parser.add_argument("family", help="family file; paths in it are relative to its folder")
    add_service_options(parser)
    options = parser.parse_args(argv)
    try:
        folder = os.path.dirname(os.path.abspath(options.family))
        serving = build_serving(ModelFamily.from_yaml(options.family).resolve_paths(folder), options)
        server = H11Server(serving.service, options.host, options.port)
    except Exception as error:  # a user's mistake, or a file that no runtime here can load
        print("error: {}".format(" ".join(str(error).split())), file=sys.stderr)
        return 2

    def show(host: str, port: int) -> None:
        for line in describe_exposure(options.host, serving.service.needs_token):
            print("note: {}".format(line), file=sys.stderr)
        print("serving {} at http://{}:{}".format(serving.service.name, host, port), flush=True)

    return 0 if serve_until_told(server, serving, not options.fixed, show) else 1


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
