"""What a converter leaves behind: facts, a failure, or nothing and a traceback."""

import ast
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from edgeproof.converters import protocol
from edgeproof.converters.element_counts import add_element_count
from edgeproof.converters.protocol import ConversionError, call_tool, carry_out_spec, refuse_nodes


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a converter with a spec and returns (exit code, {file: content})."""

    def call(convert, spec=None):
        (tmp_path / "spec.json").write_text(json.dumps(spec or {}))
        out = tmp_path / "out"
        out.mkdir()
        code = carry_out_spec(convert, [str(tmp_path / "spec.json"), str(out)])
        return code, {path.name: json.loads(path.read_text()) for path in out.glob("*.json")}

    return call


def test_facts_are_written_with_the_warnings_of_the_tools(run):
    def convert(spec, out):
        warnings.warn("\x1b[31mlow  precision\x1b[0m", UserWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        return {"artifact": "x", "precision": spec["precision"]}

    code, files = run(convert, {"precision": "fp16"})
    assert code == 0
    assert files == {"facts.json": {"artifact": "x", "precision": "fp16", "warnings": ["low precision"]}}


def test_a_conversion_error_is_a_verdict(run):
    def convert(spec, out):
        raise ConversionError("unsupported_operator", "no such\noperator", "y")

    code, files = run(convert)
    failure = {"kind": "unsupported_operator", "message": "no such operator", "output": "y"}
    assert (code, files) == (0, {"failure.json": failure})


def test_anything_else_is_none(run):
    def convert(spec, out):
        raise ImportError("no tensorflow")

    with pytest.raises(ImportError):
        run(convert)


@pytest.mark.parametrize(
    ("raised", "kind", "message"),
    [
        (ValueError("bad shape"), "conversion_failed", "tool: bad shape"),
        (SystemExit(1), "conversion_failed", "tool: it gave up"),
        (MemoryError(), "out_of_memory", "tool: out of memory"),
        (KeyError(), "conversion_failed", "tool: KeyError"),
    ],
)
def test_what_a_tool_raises_becomes_a_conversion_error(raised, kind, message):
    def call():
        raise raised

    with pytest.raises(ConversionError) as caught:
        call_tool("tool", call)
    assert caught.value.kind == kind and str(caught.value).startswith(message)


def test_an_interruption_passes_through():
    def call():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call_tool("tool", call)


def test_the_first_of_several_nodes_is_blamed_and_the_rest_counted():
    nodes = [SimpleNamespace(output=[name]) for name in "abc"]
    with pytest.raises(ConversionError, match="2 more nodes") as caught:
        refuse_nodes(nodes, "not known")
    assert caught.value.output == "a"
    refuse_nodes([], "not known")


def test_tensors_are_counted_by_type():
    counted = {}
    for dtype, elements in (("int8", 3), ("int8", 4), ("float32", 0)):
        add_element_count(counted, dtype, elements)
    assert counted == {"int8": {"tensors": 2, "elements": 7}, "float32": {"tensors": 1, "elements": 0}}


@pytest.mark.parametrize("name", ["protocol", "to_rknn", "to_tensorrt_calibration"])
def test_what_vendors_pythons_run_is_python_3_8(name):
    """Python 3.8 evaluates annotations and knows neither `X | Y` nor `list[X]` in them; quoted they are texts."""
    path = Path(protocol.__file__).with_name(f"{name}.py")
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert functions
    for node in functions:
        arguments = [*node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        annotations = [node.returns, *(item.annotation for item in arguments if item)]
        new = [item for item in annotations if isinstance(item, ast.BinOp | ast.Subscript)]
        assert [ast.unparse(item) for item in new] == [], node.name
