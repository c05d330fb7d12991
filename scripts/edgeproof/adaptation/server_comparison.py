"""Two servers compared: what is measured, what follows, and `server-comparison.json` recomputed when it is read.

The figures of two `service.json` come from different times, and what the machine did then is in them. So the servers
are loaded in turns: a pair is two fresh servers, each with as many stretches of load, the first of which is drawn and
the next ones alternate. A pair has one value, log(right / left), and the sequence of pairs is judged as that of a
comparison of cells is (`core.sequential`). The raw data are `pairs/{pair}/{side}/{stretch}/…` as in
`service_records`, and `pairs/{pair}/{side}/use`.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import SPACE, format_limit, format_number, plain, plural
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY
from edgeproof.core.sequential import Design, SequenceVerdict, judge_sequence

from .service_figures import Loaded, ServerUse, summarise_load
from .service_load import Answers, could_be_due, draw_schedule
from .service_records import read_raw, read_stretch

Side = Literal["left", "right"]
Statistic = Literal["seconds_per_answer", "p50", "p95", "p99"]
SIDES: tuple[Side, Side] = ("left", "right")
STATISTICS: dict[Statistic, str] = {
    "seconds_per_answer": "the time per answer",
    "p50": "the median latency",
    "p95": "the 95th percentile of latency",
    "p99": "the 99th percentile of latency",
}


@dataclass(frozen=True)
class TurnsSetting:
    """What is measured. `margin`: a difference that matters, as a fraction. `pairs`: of fresh servers, at most.

    Each server of a pair gets `stretches` of `seconds` each: Poisson arrivals at `rate` per second over `connections`,
    the same ones for both; or, where the rate is None, a closed loop of `clients`. `statistic`: what is compared.
    """

    statistic: Statistic
    rate: float | None = None
    clients: int = 8
    connections: int = 32
    margin: float = 0.05
    pairs: int = 20
    stretches: int = 2
    seconds: float = 2.0
    seed: int = 0


def draw_turns(setting: TurnsSetting, pair: int) -> list[tuple[Side, int]]:
    """Return which server is loaded when in a pair of the comparison: (side, its stretch).

    Both come first equally often.
    """
    first = bool(np.random.default_rng([setting.seed, pair]).integers(2))
    turns: list[tuple[Side, int]] = []
    for stretch in range(setting.stretches):
        turns.append((SIDES[first == (stretch % 2 == 0)], stretch))
        turns.append((SIDES[first != (stretch % 2 == 0)], stretch))
    return turns


def draw_arrivals(setting: TurnsSetting, pair: int, stretch: int) -> NDArray[np.float64]:
    """Return when the requests of a stretch are due in a comparison of two servers, in seconds.

    They are the same for both servers. The setting has a rate.
    """
    if setting.rate is None:
        raise ValueError("a closed loop has no arrivals")
    seed = (setting.seed * 1000 + pair) * 1000 + stretch
    return draw_schedule("poisson", setting.rate, setting.seconds, seed)


def describe_comparison(raw: Mapping[str, NDArray[np.generic]], setting: TurnsSetting) -> Json:
    """Return the comparison of two servers, {pairs, servers, effect, verdict, reason}, from all pairs, one or more.

    The verdict is about the right server. It is `failed`, without an effect, where requests had no good answer: what is
    refused quickly is not fast. UserError for raw data that are not of this setting.
    """
    pairs = _count_pairs(raw)
    if not pairs:
        raise UserError("there is no pair in the raw data; compare the servers again")
    found = {side: [_read_server(raw, setting, pair, side) for pair in range(pairs)] for side in SIDES}
    uses = {side: np.concatenate([raw[f"pairs/{pair}/{side}/use"] for pair in range(pairs)]) for side in SIDES}
    servers = {side: _summarise(found[side], uses[side].astype("float64")) for side in SIDES}
    common = {"pairs": pairs, "servers": servers}
    for side in SIDES:
        if failed := servers[side]["failed"]:
            reason = (
                f"{failed} of {servers[side]['requests']} requests to {side} had no good answer; put less load on it"
            )
            return {**common, "effect": None, "verdict": "failed", "reason": reason}
    values = {side: np.array([_value_server(one, setting.statistic) for one in found[side]]) for side in SIDES}
    judged = judge_sequence(values["right"] - values["left"], Design(setting.margin))
    return {**common, "effect": _describe_effect(judged), "verdict": judged.verdict, "reason": judged.reason}


def read_comparison(path: FilePath) -> Json:
    """Return the server comparison at a path; UserError unless every figure follows from the raw data beside it."""
    document = read_sealed(path, "server-comparison", REMEDY)
    raw, setting = read_raw(document, Path(path)), TurnsSetting(**document["setting"])
    try:
        computed = describe_comparison(raw, setting)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    for key, value in computed.items():
        must_follow(document[key], value, key, path, "the raw latencies")
    return document


def say_comparison(document: Json) -> list[str]:
    """Return the comparison of two servers as lines of text: the verdict, then what each server did."""
    names = {side: _name_side(document[side]) for side in SIDES}
    lines = [f"left:  {names['left']}", f"right: {names['right']}"]
    for side in SIDES:
        row = document["servers"][side]
        p50, p99 = (format_number(row["latency"][key]["value"]) for key in ("p50_ms", "p99_ms"))
        lines.append(
            f"  {side}: {format_number(row['per_second'])} answers per second, p50 {p50} ms, p99 {p99} ms,"
            f" {format_number(row['server']['cpu_share'])} processors, {format_number(row['server']['memory_mb'])} MiB"
        )
    return [*lines, plain(_say_verdict(document))]


def _say_verdict(document: Json) -> str:
    effect, setting = document["effect"], document["setting"]
    of = plural(document["pairs"], "pair")
    if effect is None:
        return f"No verdict: {document['reason']}."
    ratio, margin = format_number(effect["ratio"]), format_limit(setting["margin"], share=True)
    within = ""
    if effect["interval_low"] is not None:
        within = f" ({format_number(effect['interval_low'])} to {format_number(effect['interval_high'])})"
    claim = "undecided" if document["verdict"] == "undecided" else f"right is {document['verdict']}"
    more = ""
    if effect["further_pairs"]:
        more = f" About {plural(effect['further_pairs'], 'further pair')} would probably decide (--pairs)."
    what = STATISTICS[setting["statistic"]]
    return (
        f"{claim[0].upper()}{claim[1:]}: {what} of right is {ratio} times that of left{within}; margin"
        f" ±{margin.replace(SPACE, ' ')}, {of} of fresh servers.{more}"
    )


def _name_side(side: Json) -> str:
    return " ".join([side["path"], *side["options"]])


def _count_pairs(raw: Mapping[str, NDArray[np.generic]]) -> int:
    pairs = 0
    while all(f"pairs/{pairs}/{side}/use" in raw for side in SIDES):
        pairs += 1
    return pairs


def _read_server(
    raw: Mapping[str, NDArray[np.generic]], setting: TurnsSetting, pair: int, side: Side
) -> Sequence[Answers]:
    """Return the stretches of one server; UserError where another number of requests was due."""
    found = [read_stretch(raw, f"pairs/{pair}/{side}", stretch) for stretch in range(setting.stretches)]
    for stretch, one in enumerate(found):
        if setting.rate is None:
            continue
        count = len(one.status)
        likely = could_be_due(count, setting.rate, setting.seconds)
        if not likely or count != len(draw_arrivals(setting, pair, stretch)):
            raise UserError(f"pairs/{pair}/{side}/{stretch} has another number of requests than were due")
    return found


def _value_server(stretches: Sequence[Answers], statistic: Statistic) -> float:
    """Return the logarithm of what a server took: the mean over its stretches."""
    return statistics.fmean(math.log(_value_stretch(one, statistic)) for one in stretches)


def _value_stretch(answers: Answers, statistic: Statistic) -> float:
    """Return seconds per answer, or a quantile of latency in ns."""
    if statistic == "seconds_per_answer":
        return 1 / answers.rate
    return float(np.quantile(answers.latency_ns, int(statistic[1:]) / 100))


def _summarise(servers: Sequence[Sequence[Answers]], uses: NDArray[np.float64]) -> Json:
    """Return the figures of one side; intervals are over its fresh servers. `uses`: shape (stretches, 2)."""
    pooled = [
        Answers(
            np.concatenate([one.latency_ns for one in stretches]),
            np.concatenate([one.status for one in stretches]),
            math.fsum(one.seconds for one in stretches),
        )
        for stretches in servers
    ]
    use = ServerUse(float(uses[:, 0].mean()), float(uses[:, 1].max()))
    return summarise_load(Loaded(pooled, use))


def _describe_effect(judged: SequenceVerdict) -> Json:
    return {
        "ratio": judged.ratio.estimate,
        "interval_low": judged.ratio.low,
        "interval_high": judged.ratio.high,
        "confidence": judged.ratio.confidence,
        "pairs": judged.pairs,
        "log_sd": judged.log_sd,
        "further_pairs": judged.further_pairs,
    }
