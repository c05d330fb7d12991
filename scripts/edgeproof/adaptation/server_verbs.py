"""The verbs `measure-server` and `compare-servers` of `edgeproof adaptation`."""

import shlex
import sys
from argparse import Namespace
from pathlib import Path

from edgeproof.core.boundaries import HORIZON
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import is_file
from edgeproof.core.formatting import format_number
from edgeproof.core.world_errors import explain_unreadable
from edgeproof.runtime.service_options import read_token

from .server_comparison import SIDES, Side, TurnsSetting, say_comparison
from .server_elsewhere import measure_server
from .servers_in_turn import ServerChoice, choose_family, compare_servers_in_turn
from .service_figures import ServiceSetting
from .service_words import say_service

_CLIENTS = 8


def measure_one(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `edgeproof adaptation measure-server`: NOT_GOOD where no rate that was tried holds the budget."""
    try:
        token = read_token(options.token_file)
    except (OSError, ValueError) as error:
        raise UserError(f"--token-file {options.token_file}: {explain_unreadable(error)}") from error
    if not options.seconds or not options.budget_ms:
        raise UserError("--seconds and --budget-ms must be above 0")
    setting = ServiceSetting(
        budget_ms=options.budget_ms,
        seconds=options.seconds,
        stretches=options.stretches,
        starts=0,
        clients=options.clients,
        steps=options.steps,
    )
    family = _find_file(options.config, root)
    document = measure_server(options.url, family, options.device, setting, Path(options.output), token)
    show(options, document, lambda: say_service(document))
    return ExitCode.GOOD if document["capacity"]["holds"] is not None else ExitCode.NOT_GOOD


def compare_two(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `edgeproof adaptation compare-servers`.

    NOT_PROVED where it is undecided, NOT_GOOD where requests had no good answer.
    """
    chosen: dict[Side, ServerChoice] = {}
    held: list[float | None] = []
    for side in SIDES:
        family, rate = choose_family(_find_file(getattr(options, side), root))
        held.append(rate)
        chosen[side] = ServerChoice(family, _split_options(options, side))
    document = compare_servers_in_turn(chosen, _read_setting(options, held), Path(options.output), _show_pair)
    show(options, document, lambda: say_comparison(document))
    return {"undecided": ExitCode.NOT_PROVED, "failed": ExitCode.NOT_GOOD}.get(document["verdict"], ExitCode.GOOD)


def _find_file(named: str, root: Path) -> Path:
    """Return a file that is named from the current folder or from the root."""
    return Path(named) if is_file(named) else root / named


def _split_options(options: Namespace, side: Side) -> tuple[str, ...]:
    text = getattr(options, f"{side}_options")
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"--{side}-options {text}: {error}") from error


def _read_setting(options: Namespace, held: list[float | None]) -> TurnsSetting:
    """Return the setting. Of two `service.json`, the rate is half of what both hold, as that of their open loops is."""
    known = [rate for rate in held if rate is not None]
    rate = options.rate
    if rate is None and options.clients is None and len(known) == len(held):
        rate = 0.5 * min(known)
    statistic = options.statistic or ("seconds_per_answer" if rate is None else "p99")
    if rate is not None and statistic == "seconds_per_answer":
        raise UserError("--statistic seconds_per_answer: is that of a closed loop; give --clients in place of a rate")
    if options.pairs > HORIZON:
        raise UserError(f"--pairs {options.pairs}: at most {HORIZON} can be judged")
    if not options.margin or not options.seconds or rate == 0:
        raise UserError("--margin, --seconds and --rate must be above 0")
    return TurnsSetting(
        statistic=statistic,
        rate=rate,
        clients=options.clients or _CLIENTS,
        margin=options.margin,
        pairs=options.pairs,
        stretches=options.stretches,
        seconds=options.seconds,
        seed=options.seed,
    )


def _show_pair(figures: Json) -> None:
    effect = figures["effect"]
    if effect is None or effect["interval_low"] is None:
        return
    low, ratio, high = (format_number(effect[key]) for key in ("interval_low", "ratio", "interval_high"))
    print(f"{figures['pairs']} pairs: right / left {ratio} ({low} to {high})", file=sys.stderr)
