import copy
import json

import jsonschema
import jsonschema_rs
import pytest
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.documents import SCHEMAS, load_schema, read_json, validate, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import digest_json
from edgeproof.core.yaml_files import read_yaml
from hypothesis import assume, given
from hypothesis import strategies as st

PROTOCOL = {
    "description": "x",
    "processes": 5,
    "warmup_runs": 10,
    "warmup_seconds": 0.5,
    "min_samples": 200,
    "min_seconds": 1.0,
    "max_timer_share": 0.01,
    "pairs": 10,
}


def refuse(document, *parts, kind="protocol"):
    with pytest.raises(UserError) as error:
        validate(document, kind, "a.json")
    for part in ("a.json", *parts):
        assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_valid_document_is_returned():
    assert validate(PROTOCOL, "protocol", "a.json") is PROTOCOL


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"processes": True}, ["processes is true", "whole number"]),
        ({"processes": 1}, ["processes is 1", "≥ 2"]),
        ({"processes": "5"}, ['processes is "5"', "whole number"]),
        ({"min_seconds": float("nan")}, ["min_seconds is nan", "finite"]),
        ({"min_seconds": float("inf")}, ["min_seconds is inf", "finite"]),
        ({"proceses": 5}, ["unknown key 'proceses'", "processes"]),
        ({"max_timer_share": 0}, ["max_timer_share is 0", "> 0"]),
    ],
)
def test_wrong_value_is_named(change, parts):
    refuse({**PROTOCOL, **change}, *parts)


def test_missing_key_is_named():
    refuse({key: value for key, value in PROTOCOL.items() if key != "pairs"}, "'pairs' is missing")


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}', '{"a": 1', "", "[1", "[" * 200_000]
)
def test_text_that_is_no_strict_json_is_refused(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"a\.json: not valid JSON"):
        read_json(path, "protocol")


def test_a_preset_without_an_artifact_is_told_so():
    preset = {key: value for key, value in read_catalogue("preset")["ort-cpu"].items() if key != "artifact"}
    with pytest.raises(UserError, match="'artifact' is missing"):
        validate(preset, "preset", "p.yaml")


@pytest.mark.parametrize("escaped", ["\\ud800", "\\uDFFF x", "\\ude00\\ud83d"])
def test_half_a_character_is_refused_where_it_is_read(tmp_path, escaped):
    path = tmp_path / "a.json"
    path.write_text(f'{{"a": "{escaped}"}}')
    with pytest.raises(UserError, match=r"a\.json: not valid JSON: .* is not a character"):
        read_json(path, "protocol")
    path.write_text('{"a": "\\ud83d\\ude00"}')  # both halves
    with pytest.raises(UserError, match="unknown key 'a'"):
        read_json(path, "protocol")


def test_missing_file_and_other_bytes_are_one_line(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        read_json(tmp_path / "none.json", "protocol")
    (tmp_path / "b.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        read_json(tmp_path / "b.json", "protocol")


def test_round_trip_and_no_half_written_file(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, PROTOCOL, "protocol")
    assert read_json(path, "protocol") == PROTOCOL
    with pytest.raises(UserError):
        write_json(path, {**PROTOCOL, "processes": 0}, "protocol")
    assert read_json(path, "protocol") == PROTOCOL
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", r"a\.yaml:2: key 'a' occurs twice"),
        ("1: x\n", "not a string"),
        ("a: [1\n", r"a\.yaml:2: expected"),
        ("a: !!python/object:os.system {}\n", "constructor"),
    ],
)
def test_yaml_mistakes_name_the_line(tmp_path, text, message):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_yaml(path, "protocol")


def test_yaml_reads_scientific_numbers_and_dates_as_people_mean_them(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("\n".join(f"{k}: {v}" for k, v in {**PROTOCOL, "max_timer_share": "1e-2"}.items()))
    assert read_yaml(path, "protocol")["max_timer_share"] == 0.01


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_digest_survives_a_round_trip_and_the_order_of_keys(value):
    assert digest_json(json.loads(json.dumps(value))) == digest_json(value)
    if isinstance(value, dict):
        assert digest_json(dict(reversed(value.items()))) == digest_json(value)


@given(json_values, json_values)
def test_different_values_have_different_digests(left, right):
    assume(json.dumps(left, sort_keys=True) != json.dumps(right, sort_keys=True))
    assert digest_json(left) != digest_json(right)


CONFIGURED = [(kind, document) for kind in CATALOGUES for document in read_catalogue(kind, SCHEMAS.parent).values()]


def list_places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from list_places(item, (*path, key))


@given(st.sampled_from(CONFIGURED), json_values, st.data())
def test_what_judges_and_what_explains_agree(configured, value, data):
    assume("\\n" not in json.dumps(value))  # at the end of a name Python's `$` lets it pass, see below
    kind, document = configured[0], copy.deepcopy(configured[1])
    *path, last = data.draw(st.sampled_from([*list_places(document)][1:]))
    holder = document
    for key in path:
        holder = holder[key]
    holder[last] = value
    judged = jsonschema_rs.Draft202012Validator(load_schema(kind)).is_valid(document)
    assert judged == jsonschema.Draft202012Validator(load_schema(kind)).is_valid(document)
    if not judged:
        refuse(document, kind=kind)


def test_a_line_break_after_a_name_is_not_overlooked():
    campaign = {"campaign": "demo\n", "devices": ["local"], "protocol": "quick", "policy": "strict", "matrices": [{
        "models": ["digits-cnn"], "presets": ["ort-cpu"], "precisions": ["fp32"]}]}  # fmt: skip
    refuse(campaign, "campaign: ", "does not match", kind="campaign")


def test_a_key_that_is_no_string_is_refused():
    refuse({**PROTOCOL, 1: 2}, "unknown key 1")


def test_what_was_valid_once_is_checked_again_when_it_changes(tmp_path):
    path = tmp_path / "noise.yaml"
    path.write_text("a: [1]")
    with pytest.raises(UserError):
        read_yaml(path, "protocol")
    good = (SCHEMAS.parents[1] / "config/protocols/quick.yaml").read_text()
    path.write_text(good)
    first = read_yaml(path, "protocol")
    first["processes"] = "many"  # whoever changes what they were given changes it for themselves
    assert read_yaml(path, "protocol")["processes"] != "many"
    with pytest.raises(UserError):
        read_yaml(path, "policy")  # valid as one kind is not valid as another
    path.write_text(good.replace("processes:", "processses:"))
    with pytest.raises(UserError, match="processses"):
        read_yaml(path, "protocol")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"backend": "litert"}, 'backend is "litert"; allowed with artifact onnx: onnxruntime, command'),
        ({"built": "device"}, 'built is "device"; it must be "host" with artifact onnx'),
        ({"artifact": "engine"}, "with artifact engine"),
        ({"artifact": "tflite"}, "key 'toolchain' is missing"),
        (
            {"precisions": ["int8-weights"], "parity": {"int8-weights": {"min_cosine": 0.9}}},
            'precisions[0] is "int8-weights"; allowed with artifact onnx: fp32',
        ),
        ({"parity": {"fp32": {"min_cosine": 0.9}}}, "parity: key 'fp16' is missing"),
        ({"precisions": ["fp32"], "parity": {"fp32": {}}}, "parity.fp32 is {}"),
    ],
)
def test_a_preset_whose_parts_do_not_fit_is_refused_before_anything_is_built(change, expected):
    preset = read_catalogue("preset")["ort-cpu"]
    with pytest.raises(UserError) as error:
        validate({**preset, **change}, "preset", "p.yaml")
    assert expected in str(error.value)
