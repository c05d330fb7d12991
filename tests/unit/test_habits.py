"""What a contributor meets: the hooks run what `make lint` runs, CI calls `.ci/run`, and the files can be read."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


def list_tiers():
    return re.search(r"set -- (.*)", (ROOT / ".ci/run").read_text())[1].split()


def test_hooks_run_what_make_lint_runs():
    recipe = re.search(r"(?m)^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text())[1]
    commands = [line.strip().replace("$(SNAKEMAKE)", ".venv/bin/snakemake") for line in recipe.splitlines()]
    hooks = [hook["entry"] for repository in read(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert hooks == [line.replace("$(BIN)", ".venv/bin") for line in commands]


def test_ci_runs_every_tier_and_nothing_else():
    job = read(".github/workflows/ci.yml")["jobs"]["tier"]
    assert job["strategy"]["matrix"]["tier"] == list_tiers()
    commands = [step["run"] for step in job["steps"] if "run" in step and "if" not in step]
    assert commands == [".ci/run ${{ matrix.tier }}"]
    targets = re.search(r"(?m)^\.PHONY: (.*)", (ROOT / "Makefile").read_text())[1].split()
    assert set(list_tiers()) <= set(targets)


def test_issue_forms_ask_for_something():
    forms = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) == 4
    for form in forms:
        if form.name != "config.yml":
            document = read(form)
            assert document["name"] and document["description"] and all(item["type"] for item in document["body"])


def test_citation_names_the_version_and_licence_of_the_project():
    citation, project = read("CITATION.cff"), (ROOT / "pyproject.toml").read_text()
    assert f'version = "{citation["version"]}"' in project and f'license = "{citation["license"]}"' in project
    assert citation["authors"] == [{"name": "the edgeproof authors"}]


def test_times_of_ci_are_recorded_and_printed(tmp_path):
    """In a folder with a space, with a Makefile whose second tier fails."""
    root = tmp_path / "a b"
    (root / ".ci").mkdir(parents=True)
    (root / ".ci/run").write_text((ROOT / ".ci/run").read_text())
    report = re.search(r"(?m)^ci-times:\n(?:\t.*\n)+", (ROOT / "Makefile").read_text())[0]
    (root / "Makefile").write_text(f"lint:\n\t@true\ntest:\n\t@exit 7\ncampaign:\n\t@true\n{report}")
    ended = subprocess.run(
        ["bash", root / ".ci/run", "lint", "test", "campaign"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2  # that of make
    rows = [line.split("\t") for line in (root / ".ci/times.tsv").read_text().splitlines()]
    assert [(row[0], row[3]) for row in rows] == [("tier", "exit"), ("lint", "0"), ("test", "2")]
    lines = ended.stdout.splitlines()[-3:]
    assert [line.split()[0] for line in lines] == ["lint", "test", "in"] and lines[1].endswith("failed, exit 2")


def test_every_tier_of_tests_has_a_time_limit(pytestconfig):
    """The limit of pyproject.toml, which is in seconds; the tiers that convert and measure get more."""
    assert 0 < float(pytestconfig.getini("timeout")) <= 300
    tiers = re.findall(r'-m pytest .*-m (?:"([^"]+)"|(\w+))(?: --timeout (\d+))?', (ROOT / "Makefile").read_text())
    assert {(quoted or word, seconds) for quoted, word, seconds in tiers} == {
        ("not campaign and not toolchain and not ssh and not arm64 and not slurm and not jetson and not browser", ""),
        ("browser", "900"),
        ("campaign", "3600"),
        ("toolchain", "3600"),
        ("slurm", "1500"),
        ("ssh", "600"),
        ("ssh", "3600"),  # make claims
        ("arm64", "600"),
    }


def test_who_sends_a_signal_that_may_be_ignored_has_it_heeded():
    """Under nohup and behind a shell's `&` children ignore SIGHUP or SIGINT, and a test would wait for ever."""
    sending = {
        path.name
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"SIGINT|SIGHUP", text := path.read_text())
        and re.search(r"send_signal\(|os\.kill", text)
        and not re.search(r"preexec_fn=heed_signals|\"preexec_fn\": heed_signals|HEED_HANGUP", text)
    }
    assert sending - {"test_habits.py"} == set()


def test_a_file_s_tests_stay_in_one_worker(tmp_path):
    """What they share is made once: a pytest that pytest-xdist does not know scatters them, and says nothing."""
    (tmp_path / "workflow").mkdir()
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    body = "import os, pathlib, pytest\n@pytest.mark.parametrize('n', range(20))\ndef test_it(n):\n"
    body += f"    pathlib.Path({str(tmp_path)!r}, __name__ + '-' + os.environ['PYTEST_XDIST_WORKER']).touch()\n"
    for name in ("test_first", "test_second"):
        (tmp_path / f"{name}.py").write_text(body)
    (options,) = re.findall(r"-m pytest -q (-n 2 --dist loadgroup.*?) -m ", (ROOT / "Makefile").read_text())
    command = [sys.executable, "-m", "pytest", "-q", *options.split(), "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert len(list(tmp_path.glob("test_*-gw*"))) == 2
