"""The raw data of a served family's measurement, `service.npz`, and `service.json` recomputed from it when it is read.

The arrays of a stretch: `{load}/{number}/latency_ns` (int64), `status` (int16) and `seconds`; of a load:
`{load}/use` (share of a processor, MiB). Cold starts: `cold/ready_s` and `cold/first_answer_ms`, one entry per start.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY
from edgeproof.core.tensors import read_tensors

from .service_figures import CONFIDENCE, Loaded, ServerUse, ServiceSetting, describe_service
from .service_load import Answers, Arrivals, could_be_due, draw_schedule

Raw = dict[str, NDArray[np.generic]]
COLD = ("ready_s", "first_answer_ms")
_REMEDY = "measure the service again"


def record_stretch(raw: Raw, name: str, number: int, answers: Answers) -> None:
    """Add the answers of one stretch to a service's record, the raw data."""
    raw[f"{name}/{number}/latency_ns"] = answers.latency_ns
    raw[f"{name}/{number}/status"] = answers.status
    raw[f"{name}/{number}/seconds"] = np.array(answers.seconds)


def read_stretch(raw: Mapping[str, NDArray[np.generic]], name: str, number: int) -> Answers:
    """Return the answers of one stretch from a service's record; UserError where they are not there."""
    try:
        latency, status, seconds = (raw[f"{name}/{number}/{part}"] for part in ("latency_ns", "status", "seconds"))
    except KeyError as error:
        raise UserError(f"{error.args[0]} is missing in the raw data; {_REMEDY}") from error
    if latency.shape != status.shape or latency.ndim != 1 or seconds.shape != ():
        raise UserError(f"{name}/{number}: latencies and statuses do not belong together; {_REMEDY}")
    return Answers(latency.astype("int64"), status.astype("int16"), float(seconds[()].item()))


def read_raw(document: Json, path: Path) -> dict[str, NDArray[np.generic]]:
    """Return a service's record, the arrays of the file that a document names as its raw data.

    UserError unless its digest is that.
    """
    place = path.with_name(document["raw"]["file"])
    if sha256_file(place) != document["raw"]["sha256"]:
        raise UserError(f"{place}: was changed since it was measured; {_REMEDY}")
    return dict(read_tensors(place))


def read_service(path: FilePath) -> Json:
    """Return the `service.json` at a path; UserError unless every figure follows from the raw record beside it."""
    document = read_sealed(path, "service", REMEDY)
    raw, setting = read_raw(document, Path(path)), ServiceSetting(**document["setting"])
    must_follow(document["confidence"], CONFIDENCE, "confidence", path, "the code's constants")
    try:
        computed = {"cold": describe_cold(raw, setting), **describe_service(_RecordedLoad(raw, setting), setting)}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    for key, value in computed.items():
        must_follow(document[key], value, key, path, "the raw latencies")
    return document


def describe_cold(raw: Mapping[str, NDArray[np.generic]], setting: ServiceSetting) -> Json:
    """Return the cold starts in the record of a service: per start, seconds until ready, ms of the first answer."""
    try:
        found = {name: [float(value) for value in raw[f"cold/{name}"].tolist()] for name in COLD}
    except KeyError as error:
        raise UserError(f"{error.args[0]} is missing in the raw data; {_REMEDY}") from error
    return {"starts": setting.starts, **found}


class _RecordedLoad:
    """A load that was put on a server some time ago."""

    def __init__(self, raw: Mapping[str, NDArray[np.generic]], setting: ServiceSetting) -> None:
        self._raw, self._setting = raw, setting

    def close_loop(self, name: str, clients: int) -> Loaded:
        return Loaded(
            [read_stretch(self._raw, name, number) for number in range(self._setting.stretches)], self._use(name)
        )

    def open_loop(self, name: str, arrivals: Arrivals, rate: float) -> Loaded:
        """As recorded; UserError where another number of requests was due at this rate."""
        found = self.close_loop(name, 0)
        for number, one in enumerate(found.stretches):
            count, setting = len(one.status), self._setting
            likely = could_be_due(count, rate, setting.seconds)
            if not likely or count != len(draw_schedule(arrivals, rate, setting.seconds, setting.seed + number)):
                raise UserError(f"{name}/{number} has {count} requests, others were due at {rate:g} a second")
        return found

    def _use(self, name: str) -> ServerUse | None:
        found = self._raw.get(f"{name}/use")
        return None if found is None else ServerUse(*(float(value) for value in found.tolist()))
