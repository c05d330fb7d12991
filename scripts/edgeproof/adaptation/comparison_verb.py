"""The verb `edgeproof adaptation compare-servers`."""

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

from .server_comparison import SIDES, Side, TurnsSetting, say_comparison
from .servers_in_turn import ServerChoice, choose_family, compare_servers

_CLIENTS = 8


def compare_two(options: Namespace, root: Path) -> ExitCode:
    """Verb `compare-servers`: NOT_PROVED where it is undecided, NOT_GOOD where requests had no good answer."""
    chosen: dict[Side, ServerChoice] = {}
    held: list[float | None] = []
    for side in SIDES:
        named = Path(getattr(options, side))
        family, rate = choose_family(named if is_file(named) else root / named)
        held.append(rate)
        chosen[side] = ServerChoice(family, _split_options(options, side))
    document = compare_servers(chosen, _read_setting(options, held), Path(options.output), _show_pair)
    show(options, document, lambda: say_comparison(document))
    return {"undecided": ExitCode.NOT_PROVED, "failed": ExitCode.NOT_GOOD}.get(document["verdict"], ExitCode.GOOD)


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
