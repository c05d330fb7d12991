"""Names lead into the configuration and nowhere else; manifests are found where they are."""

import pytest
from edgeproof.artifacts.records.manifest_entries import find_recorded_option
from edgeproof.artifacts.records.manifest_places import (
    find_config_root,
    find_manifest_root,
    find_manifests,
    place_artifact,
)
from edgeproof.core.catalogues import list_catalogue, read_catalogue_entry, require_in_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

CELL = {"model": "m", "preset": "p", "builder": "host", "precision": "fp32"}


def test_names_are_those_of_the_configuration():
    assert "ort-cpu" in list_catalogue("preset") and require_in_catalogue("preset", "ort-cpu") == "ort-cpu"
    assert read_catalogue_entry("preset", "fake")["backend"] == "fake"


@pytest.mark.parametrize("name", ["../presets/fake", "/etc/passwd", "Fake", "", "no-such-preset"])
def test_a_path_or_an_unknown_name_is_refused(name):
    with pytest.raises(UserError, match="preset is"):
        read_catalogue_entry("preset", name)


def test_manifests_are_found_below_a_folder(tmp_path):
    paths = [tmp_path / name / "manifest.json" for name in ("b", "a")]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    assert find_manifests(tmp_path) == sorted(paths)
    assert find_manifests(paths[0]) == [paths[0]]
    with pytest.raises(UserError, match="is missing"):
        find_manifests(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no manifest\.json below"):
        find_manifests(tmp_path / "empty")


def test_the_root_is_the_folder_that_holds_the_results(tmp_path):
    inside = tmp_path / place_artifact(CELL) / "manifest.json"
    assert find_manifest_root(inside) == tmp_path and find_config_root(inside) == REPOSITORY
    (tmp_path / "config" / "presets").mkdir(parents=True)
    assert find_config_root(inside) == tmp_path
    assert find_manifest_root(tmp_path / "manifest.json") == REPOSITORY


def test_an_option_is_found_by_its_name():
    assert find_recorded_option(["s.py", "--log", "l.log", "--cell", "c"], "log") == "l.log"
    assert find_recorded_option(["s.py", "--cell", "c"], "log") is None
