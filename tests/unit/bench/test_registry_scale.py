"""The benchmark of the registry, at a small size: every part is timed, and the document is valid."""

import contextlib

from edgeproof.bench.registry_scale import measure_registry, write_runs
from edgeproof.core.documents import read_json, validate
from edgeproof.registry.index import open_registry
from edgeproof.registry.queries import list_runs


def test_every_part_is_timed(tmp_path):
    told = []
    report = measure_registry(tmp_path, 440, told.append)
    assert validate(report, "bench-registry", "report") == report
    assert (report["runs"], len(told)) == (440, 4)
    assert report["met"] is all(report[name] <= limit for name, limit in report["limits"].items())
    assert min(report["index_s"], report["update_s"], report["query_ms_max"], report["memory_mb"]) > 0


def test_the_runs_are_valid_documents(tmp_path):
    write_runs(tmp_path, 12)
    paths = sorted(tmp_path.glob("results/runs/*/*/*/*/result.json"))
    assert len(paths) == 12
    assert all(read_json(path, "result")["status"] == "ok" for path in [paths[0], paths[-1]])
    with contextlib.chdir(tmp_path), open_registry(tmp_path) as connection:
        assert list_runs(connection, {"status": "ok"}, None)["total"] == 12
