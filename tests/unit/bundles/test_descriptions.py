"""What a bundle says of itself in other people's formats, and that it says what the documents say."""

import json

import pytest
from edgeproof.bundles.run_crates import CRATE
from edgeproof.bundles.verifying import verify_bundle

from .hostile import read
from .test_verifying import RESULT, verify_changed, words_of

BILL = "sbom/digits-cnn/ort-cpu/host/fp32.cdx.json"


@pytest.fixture(scope="module")
def opened(bundle):
    """The campaign's bundle: (manifest, {path: bytes})."""
    return read(bundle)


def entities_of(contents):
    """Return {identifier: entity} of a bundle's crate."""
    return {entity["@id"]: entity for entity in json.loads(contents[CRATE])["@graph"]}


def test_the_crate_names_every_file_with_size_and_digest(opened):
    manifest, contents = opened
    entities = entities_of(contents)
    expected = {e["path"]: (str(e["bytes"]), e["sha256"]) for e in manifest["files"] if e["path"] != CRATE}
    files = {at: item for at, item in entities.items() if "File" in item["@type"]}
    assert {at: (item["contentSize"], item["sha256"]) for at, item in files.items()} == expected
    assert {part["@id"] for part in entities["./"]["hasPart"]} == set(expected)
    (crate,) = [item for item in entities[CRATE]["conformsTo"] if "/ro/crate/" in item["@id"]]
    assert crate == {"@id": "https://w3id.org/ro/crate/1.1"} and entities[CRATE]["about"] == {"@id": "./"}


def test_the_crate_says_which_workflow_made_what_from_what(opened):
    manifest, contents = opened
    entities = entities_of(contents)
    assert entities["./"]["mainEntity"] == {"@id": "Snakefile"} and entities["./"]["mentions"] == {"@id": "#run"}
    assert set(entities["Snakefile"]["@type"]) == {"File", "SoftwareSourceCode", "ComputationalWorkflow"}
    assert entities["Snakefile"]["version"] == manifest["made_by"]["version"]
    run = entities["#run"]
    assert run["instrument"] == {"@id": "Snakefile"} and run["startTime"] <= run["endTime"]
    assert {"@id": "config/presets/ort-cpu.yaml"} in run["object"] and {"@id": RESULT} in run["result"]
    figure, latency = entities["#figure/runs/digits-cnn/ort-cpu/desk/fp32"], json.loads(contents[RESULT])["latency"]
    assert {"@id": figure["@id"]} in run["result"]
    ends = (figure["minValue"], figure["value"], figure["maxValue"])
    assert ends == (latency["interval_low_ms"], latency["median_ms"], latency["interval_high_ms"])


def test_every_thing_that_the_crate_points_to_is_in_it(opened):
    entities = entities_of(opened[1])
    pointed = {
        item["@id"]
        for entity in entities.values()
        for value in entity.values()
        for item in (value if isinstance(value, list) else [value])
        if isinstance(item, dict)
    }
    assert {at for at in pointed - set(entities) if not at.startswith("http")} == set()


def test_a_failed_run_is_a_failed_action(failed_bundle):
    _, contents = read(failed_bundle)
    assert entities_of(contents)["#run"]["actionStatus"] == "http://schema.org/FailedActionStatus"


def test_every_artifact_has_a_bill_with_what_was_measured(opened):
    manifest, contents = opened
    built = {path for path in contents if path.startswith("results/artifacts/") and path.endswith("/manifest.json")}
    bills = {entry["path"] for entry in manifest["files"] if entry["path"].startswith("sbom/")}
    assert len(bills) == len(built) and BILL in bills
    bill, record = json.loads(contents[BILL]), json.loads(contents[sorted(built)[0]])
    component = bill["metadata"]["component"]
    assert component["hashes"] == [{"alg": "SHA-256", "content": record["artifact"]["sha256"]}]
    metrics = {item["type"]: item for item in component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    latency = json.loads(contents[RESULT])["latency"]
    headline = metrics["latency, headline (ms)"]
    interval = headline["confidenceInterval"]
    assert float(headline["value"]) == latency["median_ms"] and "device desk" in headline["slice"]
    assert float(interval["lowerBound"]) == latency["interval_low_ms"]
    assert float(interval["upperBound"]) == latency["interval_high_ms"]
    known = {component["bom-ref"], *(item["bom-ref"] for item in bill["components"])}
    assert {ref for item in bill["dependencies"] for ref in (item["ref"], *item["dependsOn"])} <= known


def test_descriptions_are_composed_again(bundle):
    words = words_of(verify_bundle(bundle))
    assert words[CRATE] == words[BILL] == "recomputed"


def forge(contents, path, change):
    document = json.loads(contents[path])
    change(document)
    return contents | {path: json.dumps(document).encode()}


def drop_interval(document):
    metrics = document["metadata"]["component"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    next(item for item in metrics if item["type"] == "latency, headline (ms)").pop("confidenceInterval")


def change_digest(document):
    next(item for item in document["@graph"] if item["@id"] == RESULT)["sha256"] = "0" * 64


FORGED = {
    "bill: an interval is left out": (BILL, drop_interval, "confidenceInterval"),
    "bill: another model": (BILL, lambda d: d["components"][0]["hashes"][0].update(content="0" * 64), "components[0]"),
    "crate: a digest": (CRATE, change_digest, "sha256"),
    "crate: one more entity": (CRATE, lambda d: d["@graph"].append({"@id": "#x", "@type": "Thing"}), "@graph"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_description_that_says_something_else_is_refuted(name, run_bundle, tmp_path):
    """All hashes are set anew: only composing it again can tell."""
    path, change, place = FORGED[name]
    manifest, contents = read(run_bundle)
    found = {c.subject: c for c in verify_changed(tmp_path, manifest, forge(contents, path, change)).claims}
    assert found[path].word == "refuted" and place in found[path].detail


def test_a_description_that_is_left_out_is_not_covered(run_bundle, tmp_path):
    manifest, contents = read(run_bundle)
    rest = {path: data for path, data in contents.items() if path not in (CRATE, BILL)}
    words = words_of(verify_changed(tmp_path, manifest, rest))
    assert words[CRATE] == words[BILL] == "not covered"
