"""A copy of the repository to run snakemake in, and what a run of it did."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.core.held_folders import hold_folder

REPOSITORY = Path(__file__).resolve().parents[2]


class Workspace:
    """A copy of the repository with its own results."""

    def __init__(self, root):
        self.root = Path(root)

    def snakemake(self, *arguments, config="config/fake.yaml", profile="local", **variables):
        """Run snakemake here, with these variables of the environment; return the completed process with its output
        as text."""
        command = [sys.executable, "-m", "snakemake", "--profile", profile, *arguments]
        if config:
            command += ["--configfile", config]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE_", "PYTHONPATH"))}
        environment |= variables
        return subprocess.run(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def edgeproof(self, *words):
        """Run the command line here; return the completed process with its output as text."""
        command = [sys.executable, "-m", "edgeproof", *words]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("SNAKEMAKE_", "PYTHONPATH"))}
        environment["PYTHONPATH"] = str(self.root / "scripts")
        return subprocess.run(
            command, cwd=self.root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def remade_by(self, *arguments, **options):
        """Run snakemake and return the results it wrote, as paths below results/.

        Logs, attempts, keys and wanted.json are left out.
        """
        before = self.result_times()
        done = self.snakemake(*arguments, **options)
        assert done.returncode == 0, done.stdout
        after = self.result_times()
        written = {path for path, moment in after.items() if before.get(path) != moment}
        return {path for path in written if not path.startswith("keys/") and not path.endswith("/wanted.json")}

    def result_times(self):
        """Return {path below results/: time of last change in ns} of every declared result."""
        results = self.root / "results"
        return {
            str(path.relative_to(results)): path.stat().st_mtime_ns
            for path in results.rglob("*")
            if path.is_file()
            and not {"logs", "attempts"} & set(path.relative_to(results).parts)
            and not path.name.startswith("registry.")  # notes for an index, which is no result
        }

    def list_attempts(self):
        """Return the folders of all attempts, below results/."""
        results = self.root / "results"
        return sorted(str(path.parent.relative_to(results)) for path in results.rglob("attempts/*/attempt.json"))

    def copy(self, destination):
        """Return a copy of this workspace, results, bookkeeping and times included."""
        shutil.copytree(self.root, destination, symlinks=True)
        return Workspace(destination)

    def edit(self, path, old, new):
        """Replace text in a file here; the text must be there."""
        text = (self.root / path).read_text()
        assert old in text, f"{path} does not hold {old!r}"
        (self.root / path).write_text(text.replace(old, new))

    def write(self, path, text):
        """Write a file here."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)


def copy_repository(destination):
    """Copy what git tracks or would track (not what it ignores) to `destination` and return the Workspace."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
    )
    for name in filter(None, listing.stdout.decode().split("\0")):
        source, target = REPOSITORY / name, Path(destination) / name
        if source.exists() or source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return Workspace(destination)


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The fake campaign, made once from nothing for all processes of a run. Tests change a copy of it, never this."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    place = root / "built" / "edgeproof"
    with hold_folder(root / "building"):
        if not (place.parent / "done").exists():
            build_campaign(place)
            (place.parent / "done").touch()
    return Workspace(place)


def build_campaign(place):
    """Make the fake campaign from nothing in a copy of the repository."""
    workspace = copy_repository(place)
    # A second preset that differs in threads only, for the tests on staleness.
    workspace.write("config/presets/fake-2t.yaml", (workspace.root / "config/presets/fake.yaml").read_text())
    workspace.edit("config/presets/fake-2t.yaml", "{noise: 0.01}", "{noise: 0.01, intra_op_threads: 2}")
    workspace.edit("config/fake.yaml", "presets: [fake]", "presets: [fake, fake-2t]")
    # Few processes and pairs: nobody asks how wide an interval of simulated times is.
    workspace.edit("config/protocols/quick.yaml", "processes: 5", "processes: 2")
    workspace.edit("config/fake.yaml", "pairs: 8", "pairs: 4")
    # A lock of its own: simulated times need not wait for whoever measures on this machine.
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
    done = workspace.snakemake()
    assert done.returncode == 0, done.stdout


@pytest.fixture
def workspace(built, tmp_path):
    """A copy of the built campaign that the test may change."""
    return built.copy(tmp_path / "edgeproof")
