"""`edgeproof campaign`: what it shows, in JSON and as text, and one line for a mistake in a file."""

import json
import shutil

import pytest
from edgeproof.core.campaign_view import main
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "config", tmp_path / "repository/config")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "repository"


def show(root, capsys, *arguments):
    assert main([*arguments, "--json"], root) == 0
    return json.loads(capsys.readouterr().out)


def test_cells_comparisons_and_places_of_values(root, capsys):
    document = show(root, capsys, "config/fake.yaml")
    assert document["campaign"] == "fake" and document["files"] == ["config/config.yaml", "config/fake.yaml"]
    assert [item["cell"].split("/")[3] for item in document["cells"]] == ["fp32", "fp16", "int8", "int8-dynamic"]
    assert [item["name"] for item in document["comparisons"]] == ["fake-fp32-vs-int8", "fake-aa", "fake-refused"]
    assert document["places"]["campaign"] == "config/fake.yaml:2"
    assert document["calibrates"] == {"local": "digits-cnn/fake/local/fp32"}


def test_without_a_file_it_is_the_demo(root, capsys):
    assert show(root, capsys)["campaign"] == "demo"


def test_replace_leaves_the_demo_out(root, capsys):
    (root / "config/fake.yaml").write_text((root / "config/fake.yaml").read_text().replace("policy: strict\n", ""))
    assert show(root, capsys, "config/fake.yaml")["places"]["policy"].startswith("config/config.yaml:")
    with pytest.raises(UserError, match="policy"):
        main(["--replace", "config/fake.yaml"], root)


def test_toolchains_are_named_in_the_text(root, capsys):
    assert main(["config/runtimes.yaml"], root) == 0
    text = capsys.readouterr().out
    assert "squeezenet/litert-cpu/local/fp32  needs litert, tensorflow" in text
    assert "Where each value was written" in text


def test_a_file_of_the_working_directory_comes_first(root, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text("campaign: mine\n")
    assert show(root, capsys, "mine.yaml")["campaign"] == "mine"


def test_a_mistake_is_a_line_with_file_and_line(root, tmp_path):
    (tmp_path / "mine.yaml").write_text("campaign: mine\nprotocl: quick\n")
    with pytest.raises(UserError, match=r"mine\.yaml:2: unknown key 'protocl'; did you mean 'protocol'\?"):
        main([str(tmp_path / "mine.yaml")], root)
