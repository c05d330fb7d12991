"""`edgeproof serve`: a model family behind HTTP, adapting to the device it runs on."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgeproof.core.command_line import CommandParser, add_json, read_options
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run
from edgeproof.runtime.service_arguments import add_service_options

if TYPE_CHECKING:
    from edgeproof.runtime.http_service import Service
    from edgeproof.runtime.service_options import Server

DRIVERS = ("uvicorn", "h11")


def main(argv: list[str], root: Path | str = REPOSITORY) -> ExitCode:
    """Do `edgeproof serve`: serve until SIGTERM or Ctrl-C; NOT_GOOD where requests were left without an answer.

    Otherwise GOOD. UserError for a mistake, and for a family whose first variant cannot be loaded. `root`: of the
    repository.
    """
    options = read_options(build_serve_parser(), argv)
    from edgeproof.runtime.service_options import build_serving, describe_exposure, serve_until_told

    from .family_files import open_family_file

    family = open_family_file(options.family, Path(root))
    try:
        serving = build_serving(family, options)
    except Exception as error:  # of a runtime, any kind: what it says is what the user needs
        raise UserError(f"{options.family}: {error}") from error
    try:
        server = _open_server(options.driver, serving.service, options.host, options.port)
    except OSError as error:
        serving.engine.close()
        raise UserError(f"--host {options.host} --port {options.port}: {error.strerror}; take another") from error

    def show(host: str, port: int) -> None:
        for line in describe_exposure(options.host, serving.service.needs_token):
            print(f"note: {line}", file=sys.stderr)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        told = {"family": family.name, "url": url, "variant": serving.engine.active_variant, "driver": options.driver}
        text = json.dumps(told) if options.json else f"serving {family.name} at {url} with {told['variant']}"
        print(text, flush=True)

    answered = serve_until_told(server, serving, not options.fixed, show)
    return ExitCode.GOOD if answered else ExitCode.NOT_GOOD


def build_serve_parser() -> CommandParser:
    """Return the parser of `edgeproof serve`."""
    text = "Serve a model family over HTTP (Open Inference Protocol 2), adapting to this device."
    parser = add_json(CommandParser(prog="edgeproof serve", description=text))
    parser.add_argument("family", metavar="FAMILY", help="family file: YAML, or family.json")
    parser.add_argument("--driver", choices=DRIVERS, default=DRIVERS[0], help="what reads HTTP (default: %(default)s)")
    add_service_options(parser)
    return parser


def _open_server(driver: str, service: "Service", host: str, port: int) -> "Server":
    if driver == "h11":
        from edgeproof.runtime.h11_server import H11Server

        return H11Server(service, host, port)
    from .asgi_service import HostServer  # brings Starlette and uvicorn

    return HostServer(service, host, port)


if __name__ == "__main__":
    sys.exit(run(main))
