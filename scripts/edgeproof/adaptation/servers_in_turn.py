"""Loading two servers in turns, into `server-comparison.json` and its raw data `server-comparison.npz`."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeproof.agent.lock import hold_device
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import write_tensors

from .served_process import ServedProcess, serve_in_process
from .server_comparison import (
    SIDES,
    Side,
    TurnsSetting,
    describe_comparison,
    draw_arrivals,
    draw_turns,
    read_comparison,
)
from .service_load import Answers, run_closed_loop, run_open_loop
from .service_measurement import Asked, Question, ask_server, compose_question, describe_clock, warm_up
from .service_records import Raw, read_service, record_stretch


@dataclass(frozen=True)
class ServerChoice:
    """One side: a family file, and options of `edgeproof serve` beside `--fixed`."""

    family: Path
    options: tuple[str, ...] = ()


def choose_family(path: Path) -> tuple[Path, float | None]:
    """Return the family whose server takes its turn, and the rate that its `service.json` holds, None without one.

    UserError for a `service.json` that does not follow from its raw data, or is of another family than is beside it.
    """
    if path.name != "service.json":
        return path, None
    document, family = read_service(path), path.with_name("family.json")
    if document["family_sha256"] != sha256_file(family):
        raise UserError(f"{path}: is of another family than {family}; run the workflow again")
    return family, document["capacity"]["holds"]


def compare_servers_in_turn(
    chosen: dict[Side, ServerChoice], setting: TurnsSetting, output: Path, show: Callable[[Json], object]
) -> Json:
    """Load two servers in turn on this machine and return the document that compares them.

    Document and raw data are written into the folder `output`. `show`: gets what is known after every pair. It ends
    with the first pair that decides. The device is held meanwhile. UserError where a server does not come up, and where
    the two do not take the same request.
    """
    asked: dict[Side, Asked] = {side: compose_question(choice.family) for side, choice in chosen.items()}
    if asked["left"].body != asked["right"].body:
        raise UserError("left and right take other inputs; only servers that take the same request can be compared")
    raw = Raw()
    with hold_device(None, f"{chosen['left'].family} beside {chosen['right'].family}: servers"):
        figures = _measure_pairs(chosen, asked, setting, raw, show)
    output.mkdir(parents=True, exist_ok=True)
    place, table = output / "server-comparison.json", output / "server-comparison.npz"
    write_tensors(table, raw)
    document = {
        "schema": "edgeproof.server-comparison.v1",
        **{side: _describe_side(chosen[side], asked[side]) for side in SIDES},
        "boundary": "transport",
        "clock": describe_clock(),
        "setting": setting.__dict__,
        **figures,
        "raw": {"file": table.name, "sha256": sha256_file(table)},
    }
    write_sealed(place, document, "server-comparison")
    return read_comparison(place)


def _measure_pairs(
    chosen: dict[Side, ServerChoice],
    asked: dict[Side, Asked],
    setting: TurnsSetting,
    raw: Raw,
    show: Callable[[Json], object],
) -> Json:
    figures: Json = {}
    for pair in range(setting.pairs):
        with contextlib.ExitStack() as servers:
            served: dict[Side, ServedProcess] = {
                side: servers.enter_context(serve_in_process(choice.family, ["--fixed", *choice.options]))
                for side, choice in chosen.items()
            }
            _load_pair(served, asked, setting, pair, raw)
        figures = describe_comparison(raw, setting)
        show(figures)
        if figures["verdict"] != "undecided":
            break
    return figures


def _load_pair(
    served: dict[Side, ServedProcess], asked: dict[Side, Asked], setting: TurnsSetting, pair: int, raw: Raw
) -> None:
    questions = {side: ask_server(asked[side], one.address) for side, one in served.items()}
    uses: dict[Side, list[tuple[float, float]]] = {side: [] for side in SIDES}
    for question in questions.values():
        warm_up(question)
    for side, stretch in draw_turns(setting, pair):
        served[side].read_use()
        answers = _load(questions[side], setting, pair, stretch)
        use = served[side].read_use()
        uses[side].append((use.cpu_share, use.memory_mb))
        record_stretch(raw, f"pairs/{pair}/{side}", stretch, answers)
    for side in SIDES:
        raw[f"pairs/{pair}/{side}/use"] = np.array(uses[side])


def _load(question: Question, setting: TurnsSetting, pair: int, stretch: int) -> Answers:
    address, request, check = question
    if setting.rate is None:
        return run_closed_loop(address, request, setting.clients, setting.seconds, check)
    return run_open_loop(address, request, draw_arrivals(setting, pair, stretch), setting.connections, check)


def _describe_side(choice: ServerChoice, asked: Asked) -> Json:
    return {
        "family": asked.family,
        "path": str(choice.family),
        "family_sha256": sha256_file(choice.family),
        "options": list(choice.options),
    }
