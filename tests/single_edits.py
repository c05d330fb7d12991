"""Single edits of a folder of results: one value, one cell of a table or one byte, drawn by a seed, and undone again.

Every kind of file gets its turn: a drawing goes round the kinds, so that a campaign with a thousand raw files and one
gate.json has as many edits of the one as of the other.
"""

import contextlib
import copy
import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.reader import reading_once
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.stale import find_stale
from edgeproof.evidence.validating import validate_evidence
from edgeproof.evidence.wanted import settings_of

# What is below results/ and is no evidence: (pattern of the path, reason).
NO_EVIDENCE = (
    (r"logs/.*", "what programs said while they worked; no number is taken from it"),
    (r".*/(agent\.log|log\.txt|converter\.log)", "the same, kept in an attempt"),
    (r".*/progress\.jsonl", "tells a terminal how far a session is; every event is in the records, too"),
    (r".*\.lock", "an empty file that a process holds while it works"),
    (r"registry\..*", "an index of what is below results/, made from it again at any time"),
    (r"bench/.*", "benchmarks of the project, which no campaign reads"),
)
READERS = ("gate", "report", "validate")
_TEXT = (".csv", ".md", ".html", ".txt")
_STYLES = ({"indent": 2}, {"indent": 1}, {}, {"separators": (",", ":")})


@dataclass(frozen=True)
class Edit:
    """One edit of the file `path` (below results/): its new content, and where it differs, in words."""

    path: str
    where: str
    content: bytes


def list_kinds(results):
    """Return {kind: paths below results/} of every file that is evidence, sorted; see `NO_EVIDENCE`."""
    kinds = defaultdict(list)
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results).as_posix()
        if path.is_file() and path.stat().st_size and not any(re.fullmatch(p, name) for p, _ in NO_EVIDENCE):
            kinds[name_kind(name)].append(name)
    return dict(sorted(kinds.items()))


def name_kind(path):
    """Return the kind of a file: its room and name without numbers, and whether it is in an attempt."""
    parts = path.split("/")
    return "/".join([parts[0], *(["attempt"] if "attempts" in parts else []), re.sub(r"\d+", "N", parts[-1])])


def draw_edits(results, count, seed):
    """Return `count` edits, one after the other of each kind of file."""
    draw, kinds = random.Random(seed), list_kinds(results)
    edits, seen = [], set()
    while len(edits) < count:
        for paths in kinds.values():
            path = draw.choice(paths)
            edit = draw_edit(results, path, draw)
            if edit and (edit.path, edit.where) not in seen:
                seen.add((edit.path, edit.where))
                edits.append(edit)
    return edits[:count]


def draw_edit(results, path, draw):
    """Return an edit of one file."""
    content = (results / path).read_bytes()
    if path.endswith(".json"):
        return _edit_json(path, content, draw)
    if path.endswith(".csv"):
        return _edit_table(path, content, draw)
    at = draw.randrange(len(content))
    changed = bytearray(content)
    changed[at] ^= 1 if path.endswith(_TEXT) else draw.randrange(1, 256)
    return Edit(path, f"byte {at}", bytes(changed))


def _edit_json(path, content, draw):
    text, document = content.decode(), json.loads(content)
    style = next((s for s in _STYLES if json.dumps(document, ensure_ascii=False, **s) == text.rstrip("\n")), _STYLES[0])
    place = draw.choice(list(_list_leaves(document)))
    changed = copy.deepcopy(document)
    holder = changed
    for key in place[:-1]:
        holder = holder[key]
    if isinstance(holder, dict) and draw.random() < 0.15:
        del holder[place[-1]]
    else:
        holder[place[-1]] = _change(holder[place[-1]], draw)
    end = "\n" if text.endswith("\n") else ""
    return Edit(path, ".".join(map(str, place)), (json.dumps(changed, ensure_ascii=False, **style) + end).encode())


def _list_leaves(value, place=()):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _list_leaves(item, (*place, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _list_leaves(item, (*place, index))
    else:
        yield place


def _change(value, draw):
    """Return another value of the same type where there is one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw.choice((-1, 1, 10))
    if isinstance(value, float):
        return value * draw.choice((0.5, 0.99, 1.01, 2.0)) if value else 0.5
    if isinstance(value, str) and value:
        at = draw.randrange(len(value))
        return value[:at] + ("1" if value[at] != "1" else "2") + value[at + 1 :]
    return {type(None): 1, str: "x", list: [1], dict: {"x": 1}}[type(value)]


def _edit_table(path, content, draw):
    digits = [match.start() for match in re.finditer(rb"\d", content)]
    if not digits:
        return None
    at = draw.choice(digits)
    changed = bytearray(content)
    changed[at] = ord("0") + (changed[at] - ord("0") + draw.randrange(1, 10)) % 10
    return Edit(path, f"digit {at}", bytes(changed))


@contextlib.contextmanager
def made(results, edit):
    """Make an edit while the block runs, in place: what is linked to the file has it, too."""
    path = results / edit.path
    before = path.read_bytes()
    path.write_bytes(edit.content)
    try:
        yield
    finally:
        path.write_bytes(before)


def read_evidence(campaign, scratch):
    """Yield (reader, what it finds wrong) for the gate, the report and `evidence validate`, as each of them reads.

    The current folder has `results/`. `scratch`: an empty folder for the gate's document.
    """
    for name in READERS:
        try:
            yield name, _read(name, campaign, scratch)
        except UserError as error:
            yield name, str(error)


@reading_once()
def _read(name, campaign, scratch):
    if name == "validate":
        return "\n".join(validate_evidence(campaign))
    wanted = read_json(f"results/evidence/{campaign}/wanted.json", "wanted")
    stale = find_stale(wanted)
    if stale:
        raise UserError("; ".join(map(str, stale)))
    if name == "report":
        collect_evidence(wanted["campaign"], wanted["tolerate"], wanted["noise"], settings_of(wanted), stale)
    else:
        gate = Path(scratch) / "gate.json"
        check_gate(wanted["campaign"], wanted["tolerate"], gate, settings_of(wanted), stale)
    return ""


def find_edits(campaign, edits, scratch):
    """Make each edit in turn and return {edit: the first reader that found it and named its file, None for none}."""
    found = {}
    for edit in edits:
        with made(Path("results"), edit):
            told = read_evidence(campaign, scratch)
            found[edit] = next((name for name, text in told if f"results/{edit.path}" in text), None)
    return found
