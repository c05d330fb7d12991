"""Strict YAML for the files that people write, checked against the schema of its kind like the JSON of `documents`.

A file may come from somebody else, in a bundle. A few hundred bytes of aliases stand for billions of values, so what
they stand for is counted before anything is built.
"""

import copy
import functools
import re
from collections.abc import Hashable, Iterator
from typing import Any, cast

import yaml

from .configuration import Json
from .documents import describe_unfit_number, read_text, validate
from .errors import UserError
from .files import FilePath
from .reader import read_once

_LARGEST = 100_000  # values of a document, those that aliases stand for included; the largest of ours has some hundred
_DEEPEST = 64  # lists and mappings in one another


@read_once
def read_yaml(path: FilePath, kind: str) -> Json:
    """Return the YAML document at `path`, validated as `kind`; duplicate keys, NaN and unknown keys are UserErrors."""
    text = read_text(path)
    return validate(parse_yaml(text, path), kind, path)


def parse_yaml(text: str, where: FilePath) -> Any:
    """Return the value of a YAML file's text, not yet validated; UserError with file and line if it is not YAML."""
    try:
        return copy.deepcopy(_parse_yaml(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}:" if mark else ""
        raise UserError(f"{where}:{line} {getattr(error, 'problem', None) or error}") from error
    except (ValueError, RecursionError) as error:  # a number of more digits than Python reads
        raise UserError(f"{where}: not valid YAML: {error}") from error


@functools.lru_cache(maxsize=64)
def _parse_yaml(text: str) -> Any:
    try:
        return _load(text, _FAST)
    except _TooMuchError:
        raise
    except yaml.YAMLError:
        return _load(text, _StrictLoader)  # whose messages name the character


class _TooMuchError(yaml.MarkedYAMLError):
    """A text that stands for more than any document holds."""


def _load(text: str, loader: type[Any]) -> Any:
    _require_bounded(text, loader)
    return yaml.load(text, Loader=loader)


def _require_bounded(text: str, loader: type[Any]) -> None:
    """Raise _TooMuchError for a text that stands for too many values, nests too deep, or holds itself.

    Takes time in proportion to the text: each anchor's size is known when its end is read.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []  # (anchor, values before it) of every list and mapping that is open
    total = 0
    for event in cast(Iterator[yaml.Event], yaml.parse(text, Loader=loader)):  # pyright: ignore[reportUnknownMemberType]
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_nodes):
                raise _refuse(event, f"*{event.anchor} stands for something that holds it")
            total += sizes.get(event.anchor, 0)  # an alias of nothing is refused where the text is read
        elif isinstance(event, yaml.NodeEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                open_nodes.append((event.anchor, total))
            elif event.anchor is not None:
                sizes[event.anchor] = 1
            total += 1
        if total > _LARGEST:
            raise _refuse(event, f"stands for more than {_LARGEST} values")
        if len(open_nodes) > _DEEPEST:
            raise _refuse(event, f"nests deeper than {_DEEPEST} lists and mappings")


def _refuse(event: yaml.Event, problem: str) -> _TooMuchError:
    return _TooMuchError(None, None, problem, event.start_mark)


class _StrictLoader(yaml.SafeLoader):
    """YAML without surprises: duplicate keys are errors, and 1e-3 is a number as in YAML 1.2 and JSON."""


def _construct_unique_mapping(
    loader: yaml.SafeLoader, node: yaml.MappingNode, deep: bool = False
) -> dict[Hashable, Any]:
    seen: set[str] = set()
    for key_node, _ in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
        key = cast(object, loader.construct_object(key_node, deep=True))  # pyright: ignore[reportUnknownMemberType]
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is not a string; quote it", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep)


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    try:
        return loader.construct_yaml_int(node)
    except ValueError as error:
        told = f"this is {describe_unfit_number(cast(str, node.value))}"
        raise yaml.constructor.ConstructorError(None, None, told, node.start_mark) from error


def _make_strict(loader: type[Any]) -> None:
    loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_unique_mapping)
    loader.add_constructor("tag:yaml.org,2002:int", _construct_int)
    loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(inf|nan))$", re.IGNORECASE),
        list("-+0123456789."),
    )


# The parser in C is ten times as fast; a PyYAML without it has the one in Python only.
_FAST: type[Any] = type("_FastLoader", (getattr(yaml, "CSafeLoader", yaml.SafeLoader),), {})
for _loader in (_StrictLoader, _FAST):
    _make_strict(_loader)
