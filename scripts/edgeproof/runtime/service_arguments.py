"""The options of `serve`, the same on a host and on a board. Nothing here imports more than a parser needs."""

from __future__ import annotations

from typing import Any

from .admission import ServiceLimits

POLICIES = ("maximize-accuracy", "minimize-power", "balanced")
ISOLATIONS = ("none", "process")
TOKEN_VARIABLE = "EDGEPROOF_TOKEN"


def add_service_options(parser: Any) -> None:
    """Declare the arguments of `serve`, the service of a family, on an argparse parser, for a host and for a board."""
    limits = ServiceLimits()
    parser.add_argument("--policy", choices=POLICIES, default=POLICIES[0], help="what to prefer (default: %(default)s)")
    parser.add_argument("--latency-ceiling-ms", type=float, help="variants that are slower do not fit")
    parser.add_argument(
        "--min-accuracy", type=float, default=0.5, help="floor of minimize-power (default: %(default)s)"
    )
    parser.add_argument("--variant", help="the variant to begin with (default: the first)")
    parser.add_argument("--fixed", action="store_true", help="stay with that variant")
    parser.add_argument(
        "--poll-interval",
        type=float,
        default=5.0,
        help="seconds between two looks at the device (default: %(default)s)",
    )
    parser.add_argument(
        "--reserve-mb", type=float, default=64.0, help="memory that must stay free (default: %(default)s)"
    )
    parser.add_argument("--isolation", choices=ISOLATIONS, default="none", help="process: a crash costs a swap")
    parser.add_argument("--threads", type=int, default=1, help="of the runtime per inference (default: %(default)s)")
    parser.add_argument(
        "--samples", help="npz with inputs: a variant must agree with the active one on the first of them"
    )
    parser.add_argument(
        "--agreement", type=float, default=0.5, help="largest relative L2 distance then (default: %(default)s)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--workers", type=int, default=limits.workers, help="inferences at a time (default: %(default)s)"
    )
    parser.add_argument("--queue", type=int, default=limits.queue, help="requests that may wait (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=limits.connections, help="at a time (default: %(default)s)")
    parser.add_argument("--max-body-mb", type=float, default=16.0, help="largest request (default: %(default)s)")
    parser.add_argument(
        "--token-file", help="file with the bearer token that clients need (or ${})".format(TOKEN_VARIABLE)
    )
