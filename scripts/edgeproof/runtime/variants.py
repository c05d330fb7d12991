"""Variants of one model that can stand in for each other, and the family file that lists them.

The file is EdgeAdapt's family YAML, schema 1, or the `family.json` that the workflow fills from measured results. What
is read is checked: a number is a finite number and no boolean, no key is unknown or given twice.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, NamedTuple, NoReturn, Optional, Tuple, Union

TIERS = ("high", "medium", "low")
# EdgeAdapt's, and what else our agent runs.
BACKENDS = ("onnx", "tflite", "coreml", "openvino", "torchscript", "tensorrt", "rknn", "fake")
POWER_RANKS = {"low": 0, "medium": 1, "high": 2}
Interval = Tuple[float, float]

_FAMILY_KEYS = frozenset(("schema_version", "family", "variants", "description"))
_FILLED = "edgeproof.filled-family.v1"  # `family.json`: it has more keys, which its own schema checks
_VARIANT_KEYS = frozenset(("path", "tier", "backend", "metadata", "sha256"))


class FamilyYamlError(ValueError):
    """A family file that is wrong. The message names file, variant, field and value."""


class VariantMetadata(NamedTuple):
    """What is known of a variant. The first four are EdgeAdapt's; None: not known.

    `memory_footprint_mb` in MiB, as `DeviceState.available_ram_mb`. `accuracy_score` from 0 to 1. Intervals (low, high)
    belong to measured numbers; two variants whose intervals overlap are not known to differ. `energy_j` and
    `cpu_seconds` per inference, `load_ms` until the variant can be used, its first inference left out.
    """

    expected_latency_ms: float = 0.0
    memory_footprint_mb: float = 0.0
    accuracy_score: float = 0.0
    power_draw_estimate: str = "medium"
    latency_interval_ms: Optional[Interval] = None
    accuracy_interval: Optional[Interval] = None
    energy_j: Optional[float] = None
    load_ms: Optional[float] = None
    first_inference_ms: Optional[float] = None
    cpu_seconds: Optional[float] = None

    @property
    def power_rank(self) -> int:
        """0 for low, 1 for medium, 2 for high."""
        return POWER_RANKS[self.power_draw_estimate]


class Variant(NamedTuple):
    """One variant: a file, what runs it, and what is known of it. `sha256`: of the file, None where nobody said."""

    name: str
    path: str
    tier: str
    backend: str = "onnx"
    metadata: VariantMetadata = VariantMetadata()
    sha256: Optional[str] = None


class ModelFamily:
    """Variants by name, in the order declared.

    `variants` is replaced as a whole when one changes, so a reader in another thread sees one state or the other.
    """

    def __init__(self, name: str, variants: Iterable[Variant] = ()) -> None:
        self.name = name
        self.variants: Dict[str, Variant] = {variant.name: variant for variant in variants}

    @classmethod
    def from_yaml(cls, path: Union[str, "os.PathLike[str]"]) -> "ModelFamily":
        """Read a family file: YAML (needs PyYAML) or JSON. FamilyYamlError for what is wrong in it.

        Paths of variants stay as they are written; see `resolve_paths`.
        """
        return parse_family(_read_document(os.fspath(path)), os.fspath(path))

    def add_variant(
        self, name: str, path: str, tier: str, backend: str = "onnx", metadata: Optional[VariantMetadata] = None
    ) -> None:
        """Add a variant. FamilyYamlError as for a file, and for a name that the family has already."""
        if name in self.variants:
            _refuse(f"family {self.name!r}", f"variant {name!r} is there already")
        fields: Dict[str, Any] = {"path": path, "tier": tier, "backend": backend}
        fields["metadata"] = (metadata or VariantMetadata())._asdict()
        self.variants = {**self.variants, name: _parse_variant(name, fields, f"family {self.name!r}")}

    def resolve_paths(self, base: Union[str, "os.PathLike[str]"]) -> "ModelFamily":
        """Return the family with relative paths taken from the folder `base`."""
        return ModelFamily(
            self.name,
            [item._replace(path=os.path.join(os.fspath(base), item.path)) for item in self.variants.values()],
        )

    def set_latency(self, name: str, latency_ms: float) -> None:
        """Replace what a variant is expected to take, in ms, as after a benchmark. KeyError for an unknown name."""
        old = self.variants[name]
        known = old.metadata._replace(expected_latency_ms=latency_ms, latency_interval_ms=None)
        self.variants = {**self.variants, name: old._replace(metadata=known)}


def parse_family(document: Any, where: str) -> ModelFamily:
    """Return the runtime's family of variants in a document; FamilyYamlError names file, variant and field.

    `where`: the file.
    """
    top = _require_mapping(document, where)
    filled = top.get("schema") == _FILLED
    if not filled:
        _require_known(top, _FAMILY_KEYS, where)
        version = top.get("schema_version", 1)
        if isinstance(version, bool) or version != 1:
            _refuse(where, f"schema_version is {version!r}; only 1 is known")
    name = top.get("family")
    if not isinstance(name, str) or not name.strip():
        _refuse(where, f"family is {name!r}; give the family a name")
    variants = _require_mapping(top.get("variants") or {}, f"{where}: variants")
    if not variants:
        _refuse(where, "variants is empty; a family has at least one variant")
    known = _VARIANT_KEYS | frozenset(("origins", "status")) if filled else _VARIANT_KEYS
    found: List[Variant] = []
    for key, fields in variants.items():
        place = f"{where}: variants.{key}"
        variant = _require_mapping(fields, place)
        _require_known(variant, known, place)
        found.append(_parse_variant(str(key), variant, where))
    return ModelFamily(name, found)


def _parse_variant(name: str, fields: Mapping[str, Any], where: str) -> Variant:
    place = f"{where}: variants.{name}"
    path, tier, backend = fields.get("path"), fields.get("tier"), fields.get("backend", "onnx")
    if not isinstance(path, str) or not path:
        _refuse(f"{place}.path", f"is {path!r}; name the variant's file")
    if tier not in TIERS:
        _refuse(f"{place}.tier", f"is {tier!r}; it is one of {', '.join(TIERS)}")
    if backend not in BACKENDS:
        _refuse(f"{place}.backend", f"is {backend!r}; it is one of {', '.join(BACKENDS)}")
    metadata = _require_mapping(fields.get("metadata") or {}, f"{place}.metadata")
    return Variant(name, path, tier, backend, parse_metadata(metadata, f"{place}.metadata"), fields.get("sha256"))


def parse_metadata(fields: Mapping[str, Any], where: str) -> VariantMetadata:
    """Return the metadata of a variant that a mapping describes; FamilyYamlError names the field."""
    _require_known(fields, frozenset(VariantMetadata._fields), where)
    values: Dict[str, Any] = {}
    for name, value in fields.items():
        place = f"{where}.{name}"
        if name == "power_draw_estimate":
            if value not in POWER_RANKS:
                _refuse(place, f"is {value!r}; it is one of {', '.join(POWER_RANKS)}")
            values[name] = value
        elif value is None and VariantMetadata._field_defaults[name] is None:
            values[name] = None
        elif name.endswith(("_interval", "_interval_ms")):
            values[name] = _read_interval(value, place, name.startswith("accuracy"))
        else:
            values[name] = _read_number(value, place, name == "accuracy_score")
    return VariantMetadata(**values)


def _read_interval(value: Any, place: str, is_share: bool) -> Interval:
    ends: List[Any] = list(value) if isinstance(value, (list, tuple)) else []  # pyright: ignore[reportUnknownArgumentType]
    numbers = [_read_number(end, place, is_share) for end in ends]
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        _refuse(place, f"is {value!r}; an interval is [low, high]")
    return numbers[0], numbers[1]


def _read_number(value: Any, place: str, is_share: bool) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0 or (is_share and value > 1):
        _refuse(place, f"is {value!r}; it is a number {'from 0 to 1' if is_share else 'of at least 0'}")
    return float(value)


def _require_mapping(value: Any, where: str) -> Dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(where, f"is {value!r}; it is a mapping of keys to values")
    return value  # pyright: ignore[reportUnknownVariableType]


def _require_known(fields: Mapping[Any, Any], known: FrozenSet[str], where: str) -> None:
    for key in fields:
        if key not in known:
            import difflib  # only for a mistake

            close = difflib.get_close_matches(str(key), known, 1)
            meant = f"did you mean {close[0]!r}?" if close else f"known keys are {', '.join(sorted(known))}"
            _refuse(where, f"unknown key {key!r}; {meant}")


def _refuse(where: str, what: str) -> NoReturn:
    raise FamilyYamlError(f"{where}: {what}")


def _read_document(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise FamilyYamlError(f"{path}: cannot be read ({error})") from error
    if path.endswith(".json"):
        try:
            return json.loads(text, object_pairs_hook=lambda pairs: _join_pairs(pairs, path))
        except FamilyYamlError:
            raise
        except (ValueError, RecursionError) as error:
            raise FamilyYamlError(f"{path}: not valid JSON: {error}") from error
    return _parse_yaml(text, path)


def _join_pairs(pairs: List[Tuple[str, Any]], where: str) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse(where, f"key {key!r} occurs twice")
        found[key] = value
    return found


def _parse_yaml(text: str, where: str) -> Any:
    try:
        import yaml  # a board may have none, and needs none for JSON
    except ImportError:
        raise FamilyYamlError(f"{where}: PyYAML is not installed; install it, or give the family as JSON") from None

    class Strict(yaml.SafeLoader):  # pyright: ignore[reportUntypedBaseClass, reportUnknownMemberType]
        """YAML in which no key occurs twice."""

    def join(loader: Any, node: Any, deep: bool = False) -> Dict[Any, Any]:
        loader.flatten_mapping(node)
        pairs = [
            (loader.construct_object(key, True), loader.construct_object(value, True)) for key, value in node.value
        ]
        return _join_pairs(pairs, f"{where}:{node.start_mark.line + 1}")

    Strict.add_constructor("tag:yaml.org,2002:map", join)  # pyright: ignore[reportUnknownMemberType]
    try:
        return yaml.load(text, Loader=Strict)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, FamilyYamlError):
            raise
        raise FamilyYamlError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from error
