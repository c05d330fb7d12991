"""Archives of artifacts: what is refused before it is unpacked, and what a converter makes is taken."""

import pytest
from edgeproof.agent.archive_limits import ARTIFACT, BUNDLE, ArchiveRefused, check_name, extract_archive, open_archive
from edgeproof.converters.archives import append_members, pack_folder

from ..bundles.raw_zips import DEFLATED, Entry, pack


@pytest.fixture
def unpack(tmp_path):
    """Return a function that unpacks the bytes of an archive as an artifact and gives what was written."""

    def unpack(data, limits=ARTIFACT):
        path, folder = tmp_path / "artifact.zip", tmp_path / "out"
        path.write_bytes(data)
        extract_archive(str(path), str(folder), limits)
        return {item.relative_to(folder).as_posix(): item.read_bytes() for item in folder.rglob("*") if item.is_file()}

    return unpack


def test_what_converters_pack_is_taken(tmp_path):
    (tmp_path / "package/Data").mkdir(parents=True)
    (tmp_path / "package/Data/weights.bin").write_bytes(bytes(1 << 16))
    (tmp_path / "package/Manifest.json").write_text("{}")
    pack_folder(tmp_path / "package", tmp_path / "model.mlpackage.zip")
    extract_archive(str(tmp_path / "model.mlpackage.zip"), str(tmp_path / "out"), ARTIFACT)
    assert (tmp_path / "out/Data/weights.bin").read_bytes() == bytes(1 << 16)


def test_an_archive_behind_a_model_is_taken_as_an_artifact_and_not_as_a_bundle(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3 and weights")
    append_members(path, {"interface.json": b"{}"})
    with path.open("rb") as stream:
        archive, members = open_archive(stream, ARTIFACT)
        assert archive.read(members[0]) == b"{}"
    with path.open("rb") as stream, pytest.raises(ArchiveRefused, match="belong to no member"):
        open_archive(stream, BUNDLE)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([Entry(b"../x")], "has the part '..'"),
        ([Entry(b"/x")], "is an absolute path"),
        ([Entry(b"x", mode=0o120777)], "is a symbolic link"),
        ([Entry(b"a"), Entry(b"A")], "one name on some systems"),
        ([Entry(b"x", method=DEFLATED, data=bytes(40 << 20), size=2 << 30)], "times its size"),
        ([Entry(b"x", flags=0x801)], "is encrypted"),
        ([Entry(b"x", method=DEFLATED, data=b"a" * 100, size=10)], "than it claims|cannot be unpacked"),
        ([Entry(b"x"), Entry(b"y", offset=0)], "overlaps|another name"),
    ],
)
def test_what_no_artifact_holds_is_refused(entries, said, unpack, tmp_path):
    with pytest.raises(ArchiveRefused, match=said):
        unpack(pack(entries))
    assert not (tmp_path / "x").exists()


def test_more_members_than_the_limit_are_refused_before_they_are_read(unpack):
    entries = [Entry(str(number).encode()) for number in range(20)]
    with pytest.raises(ArchiveRefused, match="has 20 members; at most 10"):
        unpack(pack(entries), ARTIFACT._replace(members=10))
    assert len(unpack(pack(entries))) == 20


def test_all_members_together_are_limited(unpack):
    entries = [Entry(name, bytes(100)) for name in (b"a", b"b", b"c")]
    with pytest.raises(ArchiveRefused, match="more than 250 bytes together"):
        unpack(pack(entries), ARTIFACT._replace(total_bytes=250))


@pytest.mark.parametrize(
    "name", ["a", "a/b.json", "Größe/データ.bin", "a-b_c.d/e f", "results/.hidden", "console", "a.con"]
)
def test_ordinary_names_are_taken(name):
    assert check_name(name, BUNDLE) is None
