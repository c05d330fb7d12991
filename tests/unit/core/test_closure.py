"""The code of a job: what a script imports is found, also through packages and inside functions; nothing else is."""

import pytest
from edgeproof.core import closure
from edgeproof.core.closure import list_agent_code, list_code, list_converter_code, list_imports, list_module_files


@pytest.fixture
def tree(tmp_path):
    """A small library: a script, a package with a module that imports relatively, and a module nobody imports."""
    for path, text in {
        "run.py": "import json\n\ndef main():\n    from house.room import thing\n",
        "house/__init__.py": "",
        "house/room/__init__.py": "",
        "house/room/thing.py": "from ..core import files\nfrom . import other\n",
        "house/room/other.py": "",
        "house/room/unused.py": "",
        "house/core/__init__.py": "",
        "house/core/files.py": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_imports_are_absolute_names(tree):
    found = set(list_imports(tree / "house/room/thing.py", tree))
    assert found == {"house.core.files", "house.room.other"}


def test_a_module_brings_its_packages(tree):
    found = [str(path.relative_to(tree)) for path in list_module_files("house.room.thing", tree)]
    assert found == ["house/__init__.py", "house/room/__init__.py", "house/room/thing.py"]


def test_a_script_brings_what_it_imports_and_nothing_else():
    code = list_code("scripts/copy_model.py")
    assert "scripts/edgeproof/sources/copying.py" in code and "scripts/edgeproof/core/files.py" in code
    assert "scripts/copy_model.py" not in code
    assert not [path for path in code if "/plans/" in path or "/evidence/" in path]


def test_programs_without_an_import_are_listed():
    assert "scripts/edgeproof/agent/session.py" in list_agent_code()
    converter = list_converter_code("tflite")
    assert "scripts/edgeproof/converters/to_tflite.py" in converter
    assert "scripts/edgeproof/converters/protocol.py" in converter


@pytest.mark.parametrize(
    ("facts", "sound"),
    [
        ({"digest": "a", "imports": ["b"]}, True),
        ({"digest": 5, "imports": []}, False),
        ({"digest": "a", "imports": [5]}, False),
        ({"digest": "a"}, False),
        (5, False),
        ([], False),
    ],
)
def test_what_is_remembered_of_code_has_the_shape_of_what_is_read(facts, sound):
    """Else the file is read again: a hand or a crash may have left anything in `.edgeproof/code.json`."""
    assert closure._is_sound(facts) == sound
    assert closure._is_sound(closure._describe_code(closure.ROOT / "edgeproof/core/keys.py"))
