"""A bundle made here, checked by what others have written: crates, bills of materials and signatures of artifacts."""

import contextlib
import json
import subprocess
import sys
import zipfile
from importlib.resources import files

import pytest
from edgeproof.bundles.importing import make_bundle
from edgeproof.bundles.model_signatures import sign_artifacts_with
from edgeproof.bundles.run_crates import CRATE
from edgeproof.bundles.signing_keys import new_key, read_model_key
from edgeproof.core.layout import REPOSITORY

from ..unit.bundles.conftest import write_campaign
from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.toolchain

HERE = REPOSITORY / "tests/toolchain"


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder with the programs of the environment `verifiers`, made from its lock."""
    root = copy_repository(tmp_path_factory.mktemp("verifiers") / "edgeproof").root
    record = "results/toolchains/verifiers.json"
    make = ["--toolchain", "verifiers", "--lock", "envs/verifiers.lock", "--output", record]
    subprocess.run([sys.executable, "scripts/make_toolchain.py", *make], cwd=root, check=True)
    return root / ".toolchains/verifiers/bin"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The folder of an unpacked bundle of a made-up campaign, with its artifacts; the key `ann` is beside it."""
    here = tmp_path_factory.mktemp("verified")
    private, _ = new_key("ann", here)
    with contextlib.chdir(here):
        write_campaign(here)
        sign = sign_artifacts_with(read_model_key(private))
        make_bundle("campaign", "trial", here / "bundle.zip", artifacts=True, sign_artifact=sign)
        with zipfile.ZipFile(here / "bundle.zip") as archive:
            archive.extractall(here / "unpacked")
    return here / "unpacked"


@pytest.fixture
def validate_crate(programs, tmp_path):
    """What runs roc-validator offline and returns what it says; the context of crates is in its cache."""
    context = files("rocrate").joinpath("data/ro-crate.jsonld")
    subprocess.run([programs / "python", HERE / "context_seeding.py", tmp_path / "cache", str(context)], check=True)

    def validate(folder):
        options = ["--profile-identifier", "workflow-run-crate-0.5", "--offline", "--cache-path", tmp_path / "cache"]
        options += ["--no-paging", "--output-format", "json", "--output-file", tmp_path / "said.json", folder]
        command = [programs / "rocrate-validator", "-y", "validate", *options]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (tmp_path / "said.json").is_file(), ended.stdout + ended.stderr
        return json.loads((tmp_path / "said.json").read_text())

    return validate


def test_the_crate_is_a_workflow_run_crate(validate_crate, unpacked, tmp_path):
    said = validate_crate(unpacked)
    assert said["issues"] == [] and said["passed"]
    document = json.loads((unpacked / CRATE).read_text())
    for entity in document["@graph"]:
        if entity["@id"] == "#run":
            del entity["instrument"]
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / CRATE).write_text(json.dumps(document))
    assert not validate_crate(tmp_path / "broken")["passed"]


def test_bills_of_materials_are_cyclone_dx(programs, unpacked):
    bills = sorted(unpacked.glob("sbom/**/*.cdx.json"))
    assert len(bills) >= 2
    command = [programs / "python", HERE / "bill_validation.py", *bills]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == {str(bill): None for bill in bills}
    document = json.loads(bills[0].read_text())
    document["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = 1.5
    bills[0].write_text(json.dumps(document))
    said = subprocess.run([*command[:2], bills[0]], capture_output=True, text=True, check=True).stdout
    assert json.loads(said)[str(bills[0])] is not None


def test_artifacts_are_signed_as_openssf_does(programs, unpacked):
    artifact = unpacked / "results/artifacts/digits-cnn/ort-cpu/host/int8/artifact.onnx"
    signature = unpacked / "signatures/digits-cnn/ort-cpu/host/int8.sig"
    command = [programs / "model_signing", "verify", "key", artifact, "--signature", signature]
    command += ["--public_key", unpacked.parent / "ann.pub"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    artifact.write_bytes(artifact.read_bytes() + b"x")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
