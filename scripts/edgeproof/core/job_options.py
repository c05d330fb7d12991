"""The key of a job on its script's command line: `--key JSON --made FILE`.

The parts of the key become options (`--cell …`), all but `watch` and those that are null. Little is imported here: a
build starts its converter first.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

WATCHED = "watch"


class JobKey(NamedTuple):
    """The parts of a job's key, and the file that the job makes."""

    parts: dict[str, Any]
    made: str


def take_key(argv: Sequence[str]) -> tuple[list[str], JobKey | None]:
    """Return (options, key): a job's command line with the parts of its `--key` as options; key None without one."""
    words = list(argv)
    if "--key" not in words or "--made" not in words:
        return words, None
    parts: dict[str, Any] = json.loads(_take(words, "--key"))
    made = _take(words, "--made")
    for name, value in parts.items():
        if name != WATCHED and value is not None:
            words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    return words, JobKey(parts, made)


def json_argument(text: str) -> Any:
    """Return the value of a job's option that holds JSON (argparse `type`)."""
    return json.loads(text)


def _take(words: list[str], name: str) -> str:
    at = words.index(name)
    value = words[at + 1]
    del words[at : at + 2]
    return value
