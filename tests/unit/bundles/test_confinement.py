"""While a bundle is read, nothing outside of it is opened, listed or changed, wherever you stand and start Python."""

import os
import shutil
import sys

import pytest
from edgeproof.bundles import confinement
from edgeproof.bundles.confinement import confined_to
from edgeproof.core.errors import UserError


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder that Python imports from, as with `python -m`, with a secret, a module and the bundle's folder."""
    for name in ("secret.txt", "secret.json", "module_at_home.py"):
        (tmp_path / name).write_text("x = 1")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    confinement._import_places.cache_clear()
    yield tmp_path
    confinement._import_places.cache_clear()


@pytest.mark.parametrize("name", ["secret.txt", "secret.json"])
def test_the_folder_that_you_stand_in_is_outside(home, name):
    with (
        confined_to(home / "bundle"),
        pytest.raises(UserError, match="outside of the bundle"),
        open(f"../{name}", encoding="utf-8"),
    ):
        pass


@pytest.mark.parametrize("dont_write", [False, True])
def test_its_code_can_be_imported(home, monkeypatch, dont_write):
    monkeypatch.setattr(sys, "dont_write_bytecode", dont_write)  # Python would write what it compiled beside the code
    with confined_to(home / "bundle"):
        import module_at_home  # pyright: ignore[reportMissingImports]
    assert module_at_home.x == 1 and not (home / "__pycache__").exists()
    assert sys.dont_write_bytecode is dont_write
    sys.modules.pop("module_at_home")


CHANGES = {
    "list": lambda home: os.listdir(home / "empty"),
    "walk": lambda home: list(os.scandir(home / "empty")),
    "make": lambda home: os.mkdir(home / "made"),
    "remove": lambda home: os.remove(home / "secret.txt"),
    "remove a folder": lambda home: os.rmdir(home / "empty"),
    "rename": lambda home: os.rename(home / "secret.txt", "mine"),
    "rename out": lambda home: os.rename("inside", home / "out"),
    "link": lambda home: os.link(home / "secret.txt", "mine"),
    "symbolic link out": lambda home: os.symlink("inside", home / "out"),
    "empty": lambda home: os.truncate(home / "secret.txt", 0),
    "rights": lambda home: os.chmod(home / "secret.txt", 0o777),
    "date": lambda home: os.utime(home / "secret.txt", (0, 0)),
    "remove all": lambda home: shutil.rmtree(home / "empty"),
    "copy out": lambda home: shutil.copyfile("inside", home / "out"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_outside_is_listed_or_changed(home, name):
    (home / "bundle/inside").write_text("x")
    before = sorted(path.relative_to(home) for path in home.rglob("*"))
    with confined_to(home / "bundle"), pytest.raises(UserError, match="outside of the bundle"):
        CHANGES[name](home)
    assert sorted(path.relative_to(home) for path in home.rglob("*")) == before
    assert (home / "secret.txt").read_text() == "x = 1"


def test_inside_all_of_it_can_be_done(home):
    with confined_to(home / "bundle"):
        os.mkdir("folder")
        for name in ("one", "folder/two"):
            with open(name, "w", encoding="utf-8") as stream:
                stream.write("x")
        os.rename("one", "folder/one")
        assert sorted(os.listdir("folder")) == ["one", "two"] and os.listdir() == ["folder"]
        shutil.rmtree("folder")
    assert os.listdir(home / "bundle") == []
