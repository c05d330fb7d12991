"""Campaign files: laid over one another as Snakemake does, but strict, and each message names file and line."""

from pathlib import Path

import pytest
from edgeproof.core import campaign_view
from edgeproof.core.campaign_files import expand_campaign_files, list_added_cells, read_campaign_files
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.errors import UserError
from snakemake.common.configfile import load_configfile
from snakemake.utils import update_config

BASE = "config/config.yaml"


@pytest.fixture(scope="module")
def catalogues():
    return {kind: read_catalogue(kind) for kind in CATALOGUES}


@pytest.fixture
def overlay(tmp_path):
    """A function that writes a campaign file and returns its path."""

    def write(text):
        path = tmp_path / "own.yaml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("path", sorted(Path("config").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_are_laid_over_as_snakemake_does(path):
    expected = load_configfile(BASE)
    update_config(expected, load_configfile(path))
    ours = read_campaign_files([BASE, path]).config
    assert ours == {key: value for key, value in expected.items() if value is not None}


@pytest.mark.parametrize("path", sorted(Path("config").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_files_expand_to_cells_that_their_presets_build(path, catalogues):
    campaign = expand_campaign_files(read_campaign_files([BASE, path]), catalogues)
    assert campaign.cells
    for cell in campaign.cells:
        assert cell.precision in catalogues["preset"][cell.preset]["precisions"]


def test_the_zoo_has_every_model_that_we_make(catalogues):
    campaign = expand_campaign_files(read_campaign_files([BASE, "config/zoo.yaml"]), catalogues)
    shipped = {name for name, model in catalogues["model"].items() if model["source"]["kind"] in ("file", "recipe")}
    assert {cell.model for cell in campaign.cells} == shipped - {"digits-cnn-retrained"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("protocol: quick\nprotocol: standard\n", r"own\.yaml:2: key 'protocol' occurs twice"),
        ("campaign: own\nmatrices:\n\t- models: [x]\n", r"own\.yaml:3: found character '\\t'"),
        ("campaign: own\n  protocol: quick\n", r"own\.yaml:2: mapping values are not allowed here"),
        ("protocl: quick\n", r"own\.yaml:1: unknown key 'protocl'; did you mean 'protocol'\?"),
        ("- a\n- b\n", r"own\.yaml: a campaign is a mapping"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(overlay, text, message):
    with pytest.raises(UserError, match=message):
        read_campaign_files([BASE, overlay(text)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "comparisons:\n  - name: x\n    left: {model: digits-cnn, preset: fake, precision: fp32}\n    right: {}\n"
            "    varies: [precisions]\n",
            r"varies\[0\] is .precisions.; allowed: precision, .*; did you mean 'precision'\?",
        ),
        ("\nprotocol: quikc\n", r"own\.yaml:2: protocol: 'quikc' is not in config/protocols/; did you mean 'quick'\?"),
        (
            "matrices:\n  - models: [digits-cnn]\n    presets: [ort-cpu]\n    precisions: [int4]\n",
            r"own\.yaml:\d: matrices\[0\]: preset 'ort-cpu' does not build 'int4'",
        ),
        (
            "comparisons:\n  - name: x\n    left: {model: digits-cnn, preset: ort-cpu, precision: fp32}\n"
            "    right: {model: digits-cn}\n",
            r"own\.yaml:2: comparisons\[0\] \(x\): right: model: 'digits-cn' is not in .* did you mean 'digits-cnn",
        ),
        ("devices: []\n", r"own\.yaml:1: devices is empty"),
        (f"campaign: {'a' * 300}\n", r"own\.yaml:1: campaign has 300 characters; 100 are allowed"),
    ],
)
def test_what_is_wrong_in_a_campaign_is_named_with_its_line(overlay, catalogues, text, message):
    with pytest.raises(UserError, match=message):
        expand_campaign_files(read_campaign_files([BASE, overlay(text)]), catalogues)


def test_null_takes_a_key_away(overlay, catalogues):
    files = read_campaign_files([BASE, overlay("calibration: null\ncomparisons: null\ngate: {tolerate: null}\n")])
    assert "calibration" not in files.config and "comparisons" not in files.config and files.config["gate"] == {}
    campaign = expand_campaign_files(files, catalogues)
    assert campaign.calibration is None and campaign.comparisons == {}


def test_a_value_remembers_the_file_that_won(overlay):
    path = overlay("\n\nprotocol: standard\n")
    files = read_campaign_files([BASE, path])
    assert files.locate("protocol").endswith("own.yaml:3")
    assert files.locate("policy") == f"{BASE}:4"
    assert files.locate("matrices[0].presets[0]").startswith(f"{BASE}:")
    assert files.locate("nowhere") == " + ".join(files.files)


def test_values_of_the_command_line_win(catalogues):
    files = read_campaign_files([BASE], {"protocol": "standard"})
    assert expand_campaign_files(files, catalogues).protocol == "standard" and files.locate("protocol") == "--config:1"


def test_a_comparison_that_adds_a_cell_says_so(overlay, catalogues):
    text = (
        "comparisons:\n  - name: x\n    left: {model: diabetes-mlp, preset: ort-cpu, precision: fp32}\n    right: {}\n"
    )
    files = read_campaign_files([BASE, overlay(text)])
    (note,) = list_added_cells(expand_campaign_files(files, catalogues), files)
    assert note.endswith("own.yaml:2: x adds diabetes-mlp/ort-cpu/local/fp32, which no matrix has")


def test_the_view_shows_cells_comparisons_needs_and_places(capsys):
    assert campaign_view.main(["config/runtimes.yaml"]) == 0
    text = capsys.readouterr().out
    assert "digits-cnn/litert-cpu/local/int8  needs litert, tensorflow" in text
    assert "config/runtimes.yaml:" in text and f"{BASE}:" in text
