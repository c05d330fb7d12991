"""Files of other people: what they declare is not believed, and what they say is shown and not obeyed."""

import io
import zipfile
from argparse import Namespace

import numpy as np
import pytest
from edgeproof.converters.archives import unpack
from edgeproof.core import documents
from edgeproof.core.command_line import show
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import show_controls
from edgeproof.core.npy_arrays import parse_array
from edgeproof.core.program_start import run
from edgeproof.core.tensors import read_tensors
from edgeproof.core.yaml_files import parse_yaml

HUGE = 10**13  # values; more than any memory


def declare(shape):
    """Return the bytes of an npy file whose header declares a shape, and that has 8 bytes of data."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_2_0(stream, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return stream.getvalue() + b"\0" * 8


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_array_that_declares_more_than_the_file_holds_is_refused(tmp_path, compression):
    path = tmp_path / "samples.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("inputs/x.npy", declare((HUGE,)))
    with pytest.raises(UserError, match=r"inputs/x.npy declares 40000000000000 bytes, and the file has \d+"):
        read_tensors(path)
    with pytest.raises(ValueError, match="declares more values than the file holds"):
        parse_array(declare((HUGE,)))


def test_zeros_may_be_compressed_as_far_as_they_can(tmp_path):
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(200_000, np.float32))
    assert read_tensors(tmp_path / "zeros.npz")["x"].shape == (200_000,)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"),
        ("digits\u202exnno.live", "digits\\u202exnno.live"),
        ("a\x9b2Jb\x07", "a\\u009b2Jb\\u0007"),
        ("line\n\ttab ü 活", "line\n\ttab ü 活"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown):
    assert show_controls(text) == shown


def test_verbs_and_errors_show_controls(capsys):
    show(Namespace(json=False), {}, lambda: ["name: \x1b]0;owned\x07"])
    show(Namespace(json=True), {"name": "\u202ename\x7f"}, list)
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\u202e" not in out and "\\u202ename\\u007f" in out

    def fail(_):
        raise UserError("models/\x1b[2J: no such file")

    assert run(fail, []) == 2
    assert capsys.readouterr().err == "error: models/\\u001b[2J: no such file\n"


def test_a_document_has_a_largest_size(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "_LARGEST_DOCUMENT", 10)
    (tmp_path / "manifest.json").write_text('{"schema": "edgeproof.manifest.v1"}')
    with pytest.raises(UserError, match="has 35 bytes; no document has more than 10"):
        documents.read_text(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"../outside.txt": b"x"}, "leads out of the folder"),
        ({"/etc/outside.txt": b"x"}, "leads out of the folder"),
        ({f"{number}": b"" for number in range(10_001)}, "10001 members"),
        ({"bomb": b"\0" * 5_000_000}, "it is not unpacked"),
    ],
)
def test_archives_that_we_did_not_pack_are_not_unpacked(tmp_path, members, message):
    with zipfile.ZipFile(tmp_path / "model.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=message):
        unpack(tmp_path / "model.zip", tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()


NINES = "9" * 5000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (f'{{"a": {{"b": [1, {NINES}]}}}}', r"a\.b\[1\] is a number of 5,000 characters"),
        ('{"a": {"b": [1, -1e400]}}', r"a\.b\[1\] is -1e400"),
        (NINES, "it is a number of 5,000 characters"),
    ],
)
def test_a_number_that_nothing_can_hold_is_named_with_its_key(tmp_path, text, named):
    path = tmp_path / "document.json"
    path.write_text(text)
    with pytest.raises(UserError, match=named + ", which is too large for a number; write the true value"):
        documents.read_json(path, "protocol")


@pytest.mark.parametrize("text", [f"a: 1\nb: {NINES}\n", f"a: 1\nb: 0x{'f' * 9}\nc: [-{NINES}]\n"])
def test_a_number_that_nothing_can_hold_is_named_in_yaml(text):
    with pytest.raises(UserError, match=r"f\.yaml:[23]: this is a number of 5,00[01] characters, which is too large"):
        parse_yaml(text, "f.yaml")
