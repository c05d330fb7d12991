"""Archives whose bytes follow from their members alone."""

import os
import zipfile

import pytest
from edgeproof.converters.archives import append_members, pack_folder, unpack


@pytest.fixture
def folder(tmp_path):
    for name, text in (("b/deep.bin", "B"), ("a.txt", "A"), ("fingerprint.pb", "random")):
        path = tmp_path / "folder" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "folder"


def test_equal_folders_give_equal_bytes_whenever_they_were_written(folder, tmp_path):
    pack_folder(folder, tmp_path / "one.zip", leave_out=["fingerprint.pb"])
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700)
    (folder / "fingerprint.pb").write_text("another")
    pack_folder(folder, tmp_path / "two.zip", leave_out=["fingerprint.pb"])
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_what_was_packed_is_unpacked(folder, tmp_path):
    pack_folder(folder, tmp_path / "one.zip")
    unpacked = unpack(tmp_path / "one.zip", tmp_path / "again")
    assert sorted(str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file()) == [
        "a.txt",
        "b/deep.bin",
        "fingerprint.pb",
    ]
    assert (unpacked / "b/deep.bin").read_text() == "B"


def test_an_archive_can_follow_other_bytes(tmp_path):
    path = tmp_path / "artifact.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3 and so on")
    append_members(path, {"interface.json": b"{}"})
    assert path.read_bytes().startswith(b"\x1c\x00\x00\x00TFL3 and so on")
    with zipfile.ZipFile(path) as archive:
        assert archive.read("interface.json") == b"{}"
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
