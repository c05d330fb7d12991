"""`edgeproof doctor` and `edgeproof devices`: what is here to measure with, and what is missing."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgeproof.core.command_line import CommandParser, add_json, read_options, show
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode

if TYPE_CHECKING:
    from edgeproof.core.campaign_nodes import Node

_DOCTOR = (
    "Say what is here to measure a device with and what is missing, with a command for each: board, clocks, runtimes, "
    "samplers, power control, and which differences this machine can tell apart. Nothing is changed. Exit 1 if "
    "something has to be mended first."
)
_DEVICES = "List the devices of the configuration, and say which of them this machine may be."


def examine(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof doctor` from the command line. `root`: the folder that has `config/` and `results/`."""
    options = read_options(build_doctor_parser(), argv)
    from edgeproof.core.catalogues import require_in_catalogue  # after the options: a mistake needs no configuration

    from .device_list import choose_device, list_devices
    from .diagnosis import diagnose, render_diagnosis
    from .findings import Place

    place = Place()
    device = require_in_catalogue("device", options.device or choose_device(list_devices(root, place)), root)
    document = diagnose(device, root, place, _find_node(options.cluster, device, root) if options.cluster else None)
    show(options, document, lambda: render_diagnosis(document))
    return ExitCode.NOT_GOOD if document["bad"] else ExitCode.GOOD


def _find_node(campaign: str, device: str, root: Path) -> "Node":
    """Return where a campaign says that a cluster has a device; UserError where it does not."""
    from edgeproof.core.campaign_files import read_campaign_files
    from edgeproof.core.campaign_nodes import read_nodes
    from edgeproof.core.catalogues import read_catalogue

    nodes = read_nodes(read_campaign_files([campaign], {}), [device], read_catalogue("device", root / "config"))
    if device not in nodes:
        raise UserError(f"{campaign}: has no nodes; say where the cluster has {device}: nodes: {{{device}: …}}")
    return nodes[device]


def devices(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof devices` from the command line. `root`: the folder that has `config/`."""
    options = read_options(build_devices_parser(), argv)
    from .device_list import list_devices, render_devices
    from .findings import Place

    found = list_devices(root, Place())
    return show(options, found, lambda: render_devices(found))


def build_doctor_parser() -> CommandParser:
    """Return the parser of `edgeproof doctor`."""
    parser = add_json(CommandParser(prog="edgeproof doctor", description=_DOCTOR))
    text = "a file in config/devices/ (default: the one whose board this is, else local)"
    parser.add_argument("--device", metavar="DEVICE", help=text)
    text = "a campaign with nodes: look at the device's node on its Slurm cluster, and whether it shares this folder"
    parser.add_argument("--cluster", metavar="CAMPAIGN", help=text)
    return parser


def build_devices_parser() -> CommandParser:
    """Return the parser of `edgeproof devices`."""
    return add_json(CommandParser(prog="edgeproof devices", description=_DEVICES))
