"""Toolchains: made once per lock, made again when somebody deletes them, never half."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from edgeproof.artifacts.toolchains import installed_files, toolchain_making, toolchain_use
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file

from .toolchain_stand_ins import install_uv


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty repository with one lock, uv replaced by a stand-in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/tiny.lock").write_text("numpy==1.0\n")
    monkeypatch.setattr(toolchain_making.uv, "find_uv_bin", lambda: str(tmp_path / "uv"))
    install_uv(tmp_path)
    return tmp_path


def make(place):
    toolchain_making.make_toolchain("tiny", "envs/tiny.lock", place / "tiny.json", ["test"])
    return read_json(place / "tiny.json", "toolchain")


def calls(place):
    path = place / "uv-calls"
    return path.read_text().splitlines() if path.exists() else []


def test_a_toolchain_is_made_from_its_lock_by_hash(place):
    record = make(place)
    assert record["lock"]["sha256"] == sha256_file("envs/tiny.lock")
    assert record["interpreter"]["file"] == ".toolchains/tiny/bin/python"
    assert record["packages"] and record["bytes"] > 0
    venv, sync = calls(place)
    assert venv.startswith("venv --clear --no-project") and venv.endswith(".toolchains/tiny")
    assert sync == (
        "pip sync --require-hashes --compile-bytecode --link-mode copy "
        "--python .toolchains/tiny/bin/python envs/tiny.lock"
    )


def test_one_that_is_there_is_not_made_again(place):
    make(place)
    make(place)
    assert len(calls(place)) == 2


def test_another_lock_makes_another_environment(place):
    before = make(place)
    (place / "envs/tiny.lock").write_text("numpy==2.0\n")
    after = make(place)
    assert before["lock"]["sha256"] != after["lock"]["sha256"] and len(calls(place)) == 4


@pytest.mark.parametrize("damage", ["folder", "interpreter", "stamp", "torn stamp"])
def test_what_was_deleted_by_hand_is_made_again_when_it_is_needed(place, damage, capsys):
    make(place)
    folder = place / ".toolchains/tiny"
    if damage == "folder":
        shutil.rmtree(folder)
    elif damage == "interpreter":
        (folder / "bin/python").unlink()
    else:
        (folder / "edgeproof.json").write_text("{" if damage == "torn stamp" else "")
    with toolchain_use.open_toolchain(place / "tiny.json") as (interpreter, record):
        assert interpreter == str(folder / "bin/python") and record["toolchain"] == "tiny"
    assert len(calls(place)) == 4
    assert "making it again from envs/tiny.lock" in capsys.readouterr().err


def test_one_in_which_something_was_installed_by_hand_is_made_again(place):
    make(place)
    (place / ".toolchains/tiny/lib/python3.11/site-packages/intruder-1.0.dist-info").mkdir(parents=True)
    toolchain_use.require_toolchains([place / "tiny.json"])
    assert len(calls(place)) == 4
    assert not (place / ".toolchains/tiny/lib").exists()


CODE = "lib/python3.11/site-packages/tiny/code.py"


def test_an_edit_inside_an_environment_is_noticed_and_undone(place, capsys):
    """The edited file keeps its size and its time of modification, as `touch -r` would leave it."""
    install_uv(place, files={CODE: "answer = 42\n"})
    record = make(place)
    assert len(record["environment_sha256"]) == 64
    toolchain_use.require_toolchains([place / "tiny.json"])
    path = place / ".toolchains/tiny" / CODE
    state = path.stat()
    path.write_text("answer = 43\n")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    toolchain_use.require_toolchains([place / "tiny.json"])
    assert path.read_text() == "answer = 42\n" and len(calls(place)) == 4
    assert f"({CODE}); making it again from envs/tiny.lock" in capsys.readouterr().err


def test_a_file_that_is_gone_is_noticed(place):
    install_uv(place, files={CODE: "answer = 42\n"})
    make(place)
    (place / ".toolchains/tiny" / CODE).unlink()
    toolchain_use.require_toolchains([place / "tiny.json"])
    assert (place / ".toolchains/tiny" / CODE).is_file()


def test_a_poisoned_cache_is_found_and_named(place):
    """uv copies what is in its cache; the package's own record says that it is something else."""
    install_uv(place, files={CODE: "answer = 42\n"}, poison="answer = 43\n")
    with pytest.raises(UserError, match=r"tiny/code.py: not as in the package .* run `uv cache clean`"):
        make(place)
    assert not (place / "tiny.json").exists() and not (place / ".toolchains/tiny/edgeproof.json").exists()


def test_bytecode_that_a_package_brings_is_compiled_anew_and_no_edit(place):
    """numpy 1.26 brings some; uv compiles it again, with other times in it."""
    bytecode = "lib/python3.11/site-packages/tiny/__pycache__/code.cpython-311.pyc"
    install_uv(place, files={CODE: "answer = 42\n", bytecode: "from elsewhere"})
    make(place)
    (place / ".toolchains/tiny" / bytecode).write_text("compiled here")
    assert installed_files.find_altered_files("tiny") == []


def test_what_was_right_is_not_hashed_again(place, opened):
    install_uv(place, files={CODE: "answer = 42\n"})
    make(place)
    with opened() as names:
        assert installed_files.find_altered_files("tiny") == []
    assert not [name for name in names if name.endswith("code.py")]


def test_another_package_is_another_environment(place):
    install_uv(place, files={CODE: "answer = 42\n"})
    before = make(place)["environment_sha256"]
    shutil.rmtree(place / ".toolchains")
    install_uv(place, files={CODE: "answer = 44\n"})
    assert make(place)["environment_sha256"] != before


def test_a_record_says_when_the_environment_was_made_not_when_it_was_found(place):
    first, again = make(place), make(place)
    assert first == again and first["duration_s"] > 0


@pytest.mark.parametrize(
    ("what", "key", "expected"),
    [("interpreter", "version", "interpreter version 2.7.18"), ("packages", "numpy", "packages numpy 2.7.18")],
)
def test_a_record_of_another_environment_is_named(place, what, key, expected):
    """As after a restore with another Python: a manifest must not name what took no part."""
    record = make(place)
    record[what][key] = "2.7.18"
    write_json(place / "tiny.json", record, "toolchain")
    with pytest.raises(UserError, match=rf"tiny.json: says {expected}, the environment has .*; delete this file"):
        toolchain_use.require_toolchains([place / "tiny.json"])


def test_a_deleted_one_whose_lock_has_changed_is_the_workflows_affair(place):
    make(place)
    shutil.rmtree(place / ".toolchains")
    (place / "envs/tiny.lock").write_text("numpy==2.0\n")
    with pytest.raises(UserError, match=r"envs/tiny.lock: is not the lock .* run the workflow"):
        toolchain_use.require_toolchains([place / "tiny.json"])


def test_a_failing_installation_is_one_line_and_leaves_nothing_that_counts(place):
    install_uv(place, fail="sync")
    with pytest.raises(UserError, match=r"uv pip sync: exited with 2: error: hash mismatch for numpy==1\.0"):
        make(place)
    assert not (place / "tiny.json").exists() and not (place / ".toolchains/tiny/edgeproof.json").exists()
    install_uv(place)
    assert make(place)["packages"]


def test_two_at_once_make_it_once(place):
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(toolchain_making.make_toolchain, "tiny", "envs/tiny.lock", place / f"{number}.json", ["test"])
            for number in range(4)
        ]
    assert [job.result() for job in jobs] == [None] * 4
    assert len(calls(place)) == 2


def test_python_is_ours_where_the_packages_have_wheels_for_it(monkeypatch):
    monkeypatch.setattr(toolchain_making.sys, "version_info", (3, 12, 1))
    assert toolchain_making.choose_python() == toolchain_making.sys.executable
    monkeypatch.setattr(toolchain_making.sys, "version_info", (3, 13, 0))
    assert toolchain_making.choose_python() == ">=3.11,<3.13"


def test_a_damaged_record_is_named(place):
    make(place)
    (place / "tiny.json").write_text(json.dumps({"schema": "edgeproof.toolchain.v2"}))
    with pytest.raises(UserError, match=r"tiny.json: .* is missing"):
        toolchain_use.require_toolchains([place / "tiny.json"])


def test_a_record_cannot_lead_to_another_folder(place):
    make(place)
    record = json.loads((place / "tiny.json").read_text())
    (place / "tiny.json").write_text(json.dumps({**record, "toolchain": "../elsewhere"}))
    with pytest.raises(UserError, match=r"tiny.json: toolchain is "):
        toolchain_use.require_toolchains([place / "tiny.json"])
