"""How verbs of the command line are declared, read and shown: one parser, one `--json`, one line per mistake."""

import argparse
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from .errors import UserError
from .exit_codes import ExitCode
from .formatting import show_controls

_UNITS = {  # the end of an option's name: what help calls its value
    **{name: name.upper() for name in ("ms", "mj", "mb", "seconds", "minutes", "days", "bytes")},
    "s": "SECONDS",
    "w": "WATTS",
    "c": "CELSIUS",
    "pct": "PERCENT",
}

NameLists = dict[str, Callable[[], list[str]]]  # metavar of an argument: the names that it takes today


class CommandParser(argparse.ArgumentParser):
    """A parser that raises UserError for mistakes and knows its verbs and arguments.

    `verbs`: parsers of the verbs by name. `arguments`: what `add_argument` made, `--help` included. Shell completion
    reads both: an argument's metavar (`ARTIFACT`, `MODEL`, …) says which names complete it. `instead`: such a metavar
    for names that may stand in place of a verb; "" for none.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.verbs: dict[str, CommandParser] = {}
        self.arguments: list[argparse.Action] = []
        self.instead = ""
        super().__init__(*args, **options)

    def add_argument(self, *args: Any, **options: Any) -> argparse.Action:
        """Declare an argument as argparse does, and remember it."""
        action = super().add_argument(*args, **options)
        if action.option_strings and action.nargs is None and action.choices is None and action.metavar is None:
            action.metavar = _name_value(action)
        self.arguments.append(action)
        return action

    def error(self, message: str) -> NoReturn:
        """Raise UserError with the mistake, what was probably meant, and where the help is."""
        if wrong := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)$", message):
            from .suggestions import suggest_words  # only for a mistake: difflib takes a while to import

            known = [item.strip(" '") for item in wrong[2].split(",")]
            choices = f"is not one of {', '.join(known)}{suggest_words(wrong[1], known)}"
            message = f"{message[: wrong.start()]}{wrong[1]!r} {choices}"
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")


def _name_value(action: argparse.Action) -> str | None:
    """Return what help calls the value of an option: its unit or N for a number; None for argparse's own word."""
    if action.type not in (int, float, positive, count, amount):
        return None
    unit = action.dest.rpartition("_")[2]
    return _UNITS.get(unit, "N")


def add_verbs(parser: CommandParser, verbs: dict[str, str], option: str = "verb") -> dict[str, CommandParser]:
    """Declare verbs of the command line, {name: what it does}, each with `--json`; return their parsers by name.

    `option`: where the verb stands in the options; verbs of a verb need a place of their own.
    """
    group = parser.add_subparsers(dest=option, required=True, metavar="VERB", title="verbs")
    for name, text in verbs.items():
        verb = group.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        parser.verbs[name] = add_json(verb, inner=option != "verb")
    return parser.verbs


def add_json(verb: CommandParser, inner: bool = False) -> CommandParser:
    """Declare what every verb of the command line has: `--json`. Return the parser.

    `inner`: the verb of a verb, which has it already.
    """
    unless_given = argparse.SUPPRESS if inner else False
    verb.add_argument("--json", action="store_true", default=unless_given, help="print JSON instead of text")
    verb.set_defaults(parser=verb)
    return verb


def read_options(parser: CommandParser, argv: list[str]) -> argparse.Namespace:
    """Return the options on a verb's command line; UserError for a mistake, with a suggestion for a mistyped option."""
    options, rest = parser.parse_known_args(argv)
    if rest:
        from .suggestions import suggest_words

        verb: CommandParser = options.parser
        flags = [flag for action in verb.arguments for flag in action.option_strings]
        verb.error(f"unknown argument {rest[0]!r}{suggest_words(rest[0].split('=')[0], flags)}")
    return options


def show(options: argparse.Namespace, document: object, lines: Callable[[], Iterable[str]]) -> ExitCode:
    """Print what a verb of the command line has to say: `document` with `--json`, else `lines()`; return GOOD."""
    if options.json:
        print(show_controls(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)))
    else:
        print("\n".join(map(show_controls, lines())))
    return ExitCode.GOOD


def positive(text: str) -> int:
    """Return the value of a command-line option that is an integer of at least 1 (argparse `type`)."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be positive")
    return value


def count(text: str) -> int:
    """Return the value of a command-line option that is an integer of at least 0 (argparse `type`)."""
    if (value := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} must not be negative")
    return value


def amount(text: str) -> float:
    """Return the value of a command-line option that is a finite number of at least 0 (argparse `type`)."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a number of at least 0")
    return value
