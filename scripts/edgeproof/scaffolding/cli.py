"""`edgeproof new`: commented configuration for a model, a device or a preset of your own, or a build of Forge's.

Here are the verbs and their options. What they do is in `new_model`, `new_forge_build` and `new_entries`, which are
imported when they run: `--help` and completion need none of their packages.
"""

import argparse
from fractions import Fraction
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, positive, read_options
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY

VERBS = {
    "model": "write the configuration of a model and a campaign that compares its precisions",
    "forge-build": "write the configuration of what InferEdgeForge has built, as a supplied artifact",
    "device": "write the configuration of a device",
    "preset": "write a preset that starts from another one",
}
_DESCRIPTION = "Write commented configuration files; existing files are never overwritten."


def main(argv: list[str], root: Path = REPOSITORY) -> ExitCode:
    """Run one verb of `edgeproof new`; UserError for a mistake, and then nothing is written. `root`: has `config/`."""
    options = read_options(build_new_parser(), argv)
    if options.verb == "model":
        from .new_tensorflow_model import is_tensorflow_model, write_tensorflow_model
        from .new_torch_model import ENDINGS, write_torch_model

        if options.path.endswith(ENDINGS):
            return write_torch_model(options, root)
        if is_tensorflow_model(options.path):
            return write_tensorflow_model(options, root)
        if options.module:
            raise UserError(f"--module is for a PyTorch model; {options.path} is none of {', '.join(ENDINGS)}")
        from .new_model import write_model

        return write_model(options, root)
    if options.verb == "forge-build":
        from .new_forge_build import write_forge_build

        return write_forge_build(options, root)
    from .new_entries import write_device, write_preset

    return (write_device if options.verb == "device" else write_preset)(options, root)


def build_new_parser() -> CommandParser:
    """Return the parser of `edgeproof new` with all its verbs."""
    parser = CommandParser(prog="edgeproof new", description=_DESCRIPTION)
    verbs = add_verbs(parser, VERBS)
    _declare_model(verbs["model"])
    _declare_forge_build(verbs["forge-build"])
    device, preset = verbs["device"], verbs["preset"]
    device.add_argument("name", metavar="NAME", help="its name: lower-case letters, digits and hyphens")
    device.add_argument("--board", metavar="TEXT", help="what the evidence calls the board (default: the name)")
    device.add_argument(
        "--board-contains", metavar="TEXT", help="text in /proc/device-tree/model; any other board is refused"
    )
    device.add_argument("--interpreter", metavar="PATH", help="Python on the device that has the runtime")
    device.add_argument("--lock", metavar="FILE", help="lock file on the device (default: in its temporary folder)")
    device.add_argument(
        "--timeout-s", type=positive, default=600, metavar="SECONDS", help="longest process (default: %(default)s)"
    )
    preset.add_argument("name", metavar="NAME", help="its name: lower-case letters, digits and hyphens")
    preset.add_argument("--from", dest="source", required=True, metavar="PRESET", help="the preset to start from")
    preset.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a value: runtime.intra_op_threads=1"
    )
    return parser


def list_completions(root: Path) -> NameLists:
    """Return, by the metavar of an argument of `edgeproof new`, the functions that list the names it takes."""
    return {
        "DEVICE": lambda: _list_names(root, "devices"),
        "PROTOCOL": lambda: _list_names(root, "protocols"),
    }


def _declare_model(verb: CommandParser) -> None:
    verb.add_argument(
        "path",
        metavar="PATH",
        help="the ONNX file, a PyTorch module or its weights (.py, .pt, .pth), a .tflite, or a SavedModel's folder",
    )
    verb.add_argument("--module", metavar="NAME", help="PyTorch: Net in PATH, or FILE.py:Net for the weights in PATH")
    verb.add_argument("--name", metavar="NAME", help="name of the model (default: from the name of the file)")
    verb.add_argument("--copy", action="store_true", help="copy the file to config/models/ instead of naming its path")
    verb.add_argument(
        "--shape",
        action="append",
        default=[],
        metavar="INPUT=N,…",
        help="shape of one call of an input that has open axes: x=1,3,224,224",
    )
    verb.add_argument(
        "--samples",
        metavar="FILE_OR_FOLDER",
        help="real inputs: .npz (an array per input), .npy or .csv (one input), a folder of images; "
        "at least 201 different ones, or one more than the preset calibrates with. Without it they are random, and "
        "nothing is said about accuracy",
    )
    verb.add_argument(
        "--labels",
        metavar="FILE",
        help="class number or target per sample: .npy, or .csv with `label` or `file,label`. Arrays `labels` or "
        "`targets` of an npz, such columns of a csv, and sub-folders named by class are found without it",
    )
    verb.add_argument(
        "--task", choices=("classification", "regression", "none"), help="what the outputs are (default: from labels)"
    )
    verb.add_argument("--images", choices=("rgb", "grey"), help="colours that the model takes, for a folder of images")
    verb.add_argument(
        "--fit", choices=("crop", "stretch"), default="crop", help="how images get the model's size (default: crop)"
    )
    verb.add_argument(
        "--scale", type=factor, metavar="FACTOR", help="pixels 0 to 255 are multiplied by this: 1/255 gives 0 to 1"
    )
    verb.add_argument(
        "--mean", type=numbers, default=(0.0,), metavar="M,…", help="then subtracted, one for all or one per channel"
    )
    verb.add_argument(
        "--std", type=numbers, default=(1.0,), metavar="S,…", help="then divided by, one for all or one per channel"
    )
    verb.add_argument("--preset", default="ort-cpu", metavar="PRESET", help="how it is built (default: %(default)s)")
    verb.add_argument("--device", default="local", metavar="DEVICE", help="where it runs (default: %(default)s)")
    verb.add_argument(
        "--precisions",
        metavar="P,…",
        help="which precisions of the preset, such as fp32,int8; the first is compared with each other (default: all)",
    )
    verb.add_argument(
        "--protocol",
        metavar="PROTOCOL",
        help="how long (default: the shortest that can end in a decision with these samples, and quick where none can)",
    )


def _declare_forge_build(verb: CommandParser) -> None:
    verb.add_argument("path", metavar="FOLDER", help="a build directory of InferEdgeForge, or its manifest.json")
    verb.add_argument("--name", metavar="NAME", help="name of the model (default: from the name of the folder)")
    verb.add_argument("--preset", metavar="PRESET", help="what runs it (default: from backend, format and precision)")
    verb.add_argument("--device", metavar="DEVICE", help="where it runs (default: the build's target)")
    verb.add_argument("--protocol", metavar="PROTOCOL", help="how long (default: quick)")


def factor(text: str) -> float:
    """Return the factor on `edgeproof new model`'s command line, `--scale`: positive, or a fraction such as `1/255`."""
    try:
        value = float(Fraction(text))
    except ZeroDivisionError:
        value = 0.0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} must be a number above 0, or a fraction such as 1/255")
    return value


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers on `edgeproof new model`'s command line, `--mean`: a list with commas."""
    return tuple(float(item) for item in text.split(","))


def _list_names(root: Path, folder: str) -> list[str]:
    from edgeproof.core.catalogues import list_entries

    return [path.stem for path in list_entries(root / "config" / folder)]
