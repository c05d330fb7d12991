"""Strict YAML for the files that people write, checked against the schema of its kind like the JSON of `documents`."""

import copy
import functools
import re
from collections.abc import Hashable
from typing import Any, cast

import yaml

from .configuration import Json
from .documents import describe_unfit_number, read_text, validate
from .errors import UserError
from .files import FilePath
from .reader import read_once


@read_once
def read_yaml(path: FilePath, kind: str) -> Json:
    """Return the YAML document at `path`, validated as `kind`; duplicate keys, NaN and unknown keys are UserErrors."""
    text = read_text(path)
    return validate(parse_yaml(text, path), kind, path)


def parse_yaml(text: str, where: FilePath) -> Any:
    """Return the value of a YAML text, not yet validated; UserError with file and line if it is not YAML."""
    try:
        return copy.deepcopy(_parse_yaml(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}:" if mark else ""
        raise UserError(f"{where}:{line} {getattr(error, 'problem', None) or error}") from error


@functools.lru_cache(maxsize=64)
def _parse_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_FAST)
    except yaml.YAMLError:
        return yaml.load(text, Loader=_StrictLoader)  # whose messages name the character


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
