"""Draws single-value mutations of plan documents, sealed again as an attacker would."""

import copy
import random

from edgeproof.core.seals import seal
from edgeproof.plans.verifier.stated_search import ASSERTED

# What a reader does not act on: what was asked, how the plan was found, and where its scenario lay.
ADVISORY = {tuple(name.split(".")) for name in ASSERTED}


def list_leaves(value, path=()):
    """Yield the paths of all values that are neither objects nor lists, and of lists with members."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from list_leaves(item, (*path, key))
    elif isinstance(value, list):
        if value:
            yield path
        for index, item in enumerate(value):
            yield from list_leaves(item, (*path, index))
    else:
        yield path


def mutate(document, rng: random.Random):
    """Return (path, changed document): one value is another one now, and the seal fits it."""
    changed = copy.deepcopy(document)
    paths = [p for p in list_leaves(document) if p[:2] not in ADVISORY and p[0] not in ("schema", "document_sha256")]
    path = rng.choice(paths)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    old = holder[path[-1]]
    while holder[path[-1]] == old and type(holder[path[-1]]) is type(old):
        holder[path[-1]] = _change(old, rng)
    return path, seal(changed)


def _change(value, rng):
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + rng.choice((1, 2, -1)) if value else 1
    if isinstance(value, float):
        return rng.choice((value * 1.01 + 0.001, value - 0.013, 0.0 if value else 0.5, value + 1))
    if isinstance(value, str):
        return rng.choice((value + "x", "", "cpu" if value != "cpu" else "npu"))
    if isinstance(value, list):
        return value[:-1] if rng.random() < 0.5 else [*value, value[0]]
    return rng.choice((0.0, 1.5, "some text"))
