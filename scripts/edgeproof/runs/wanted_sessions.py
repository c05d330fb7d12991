"""Which sessions a run rests on: all of its key on one machine, as many as its protocol and its user want.

`edgeproof runs again` leaves its wish beside the attempts (`attempts/again.json`), outside of every key: a result does
not change because somebody asked for more, only because there is more.
"""

import shlex
from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.core.attempts import FOLDER, Attempt, find_attempts
from edgeproof.core.configuration import Json, MeasuringProtocol
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.layout import relative_to_repository

AGAIN = "again.json"


def find_sessions(folder: FilePath, key: Json, here: str | None = None) -> list[Attempt]:
    """Return the wanted sessions that a run has and rests on: complete attempts of its key that belong together.

    In order of start: those of this machine; without any, those of the machine that measured first. Two machines are
    never put together. `here`: the id of the machine that the device is, where it is not this one.
    """
    found = find_attempts(folder, key)
    here = describe_machine()["id"] if here is None else here
    if any(attempt.record["machine"]["id"] == here for attempt in found):
        return [attempt for attempt in found if attempt.record["machine"]["id"] == here]
    return [attempt for attempt in found if attempt.record["machine"]["id"] == found[0].record["machine"]["id"]]


def count_missing(folder: FilePath, key: Json, protocol: MeasuringProtocol, here: str | None = None) -> int:
    """Return how many wanted sessions this machine, or the one named `here`, has still to measure.

    The protocol's number may be met elsewhere, and over there wholly: nothing is measured again because results were
    copied. What `edgeproof runs again` asked for is of this machine.
    """
    here = describe_machine()["id"] if here is None else here
    found = find_sessions(folder, key, here)
    own = sum(attempt.record["machine"]["id"] == here for attempt in found)
    wanted, asked = protocol.get("sessions", 1), _read_wish(folder, key)
    if len(found) >= wanted and own >= asked:
        return 0
    return max(wanted, asked) - own


def count_asked(folder: FilePath, key: Json, here: str | None = None) -> int:
    """Return how many sessions `edgeproof runs again` still wants of a machine (see above) beyond those that it has."""
    here = describe_machine()["id"] if here is None else here
    own = [attempt for attempt in find_attempts(folder, key) if attempt.record["machine"]["id"] == here]
    return max(0, _read_wish(folder, key) - len(own))


def ask_for_another(folder: FilePath, key: Json, here: str | None = None) -> int:
    """Want one more session of a machine (see above) than it has, and return how many are then wanted."""
    here = describe_machine()["id"] if here is None else here
    own = [attempt for attempt in find_attempts(folder, key) if attempt.record["machine"]["id"] == here]
    wish = {"schema": "edgeproof.again.v1", "key": key["sha256"], "sessions": len(own) + 1}
    write_json(_place(folder), wish, "again")
    return len(own) + 1


def _read_wish(folder: FilePath, key: Json) -> int:
    """Return the number of sessions asked for, 0 where nobody asked, or asked for sessions of another key."""
    if not _place(folder).exists():
        return 0
    try:
        wish = read_json(_place(folder), "again")
    except UserError as error:
        remedy = f"remove it (rm -r {shlex.quote(str(relative_to_repository(_place(folder))))})"
        raise UserError(f"{error}; {remedy}: it only says how many sessions were asked for") from error
    return wish["sessions"] if wish["key"] == key["sha256"] else 0


def _place(folder: FilePath) -> Path:
    return Path(folder) / FOLDER / AGAIN
