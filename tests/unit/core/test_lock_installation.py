"""What `make setup` says while pip works: packages of how many, from pip's own words."""

import subprocess
import sys

from edgeproof.core.layout import REPOSITORY
from edgeproof.core.lock_installation import InstallationProgress, count_listed, install_lock

LOCK = """\
# by make lock
alpha==1.0 \\
    --hash=sha256:00
beta[extra]==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:11
    # via alpha==1.0
gamma==3 \\
    --hash=sha256:22
"""


def test_a_lock_is_counted_by_its_packages():
    assert count_listed(LOCK) == 3
    assert count_listed((REPOSITORY / "envs/edgeproof.lock").read_text()) > 50


def test_progress_follows_what_pip_says():
    progress = InstallationProgress(3)
    for line in ("Ignoring beta: markers do not match", "Collecting alpha==1.0 (from -r x)", "  Downloading alpha"):
        progress.read_line(line)
    assert progress.describe(0) == "fetched 1 of 2 packages"
    progress.read_line("Installing collected packages: alpha, gamma")
    assert progress.describe(1) == "installed 1 of 2 packages"


def test_what_pip_says_is_kept_and_its_status_returned(tmp_path):
    lock, log = tmp_path / "x.lock", tmp_path / "pip.log"
    lock.write_text(LOCK)
    said = "import sys; print('Collecting alpha'); print('no such package', file=sys.stderr); sys.exit(3)"
    told = []
    assert install_lock(lock, log, told.append, [sys.executable, "-u", "-c", said]) == 3
    assert sorted(log.read_text().splitlines()) == ["Collecting alpha", "no such package"] and told == []


def test_help_is_the_comment_at_the_top_of_the_makefile():
    head = (REPOSITORY / "Makefile").read_text().partition("\n\n")[0]
    done = subprocess.run(["make", "--silent", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    told = done.stdout.splitlines()
    assert [line.removeprefix("#").removeprefix(" ") for line in head.splitlines()] == told[-head.count("\n") - 1 :]
    assert any(line.startswith("make setup ") for line in told)


def test_the_program_needs_nothing_but_python():
    """It runs before anything is installed: -S leaves packages out."""
    program = [sys.executable, "-S", str(REPOSITORY / "scripts/install_lock.py"), "--help"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "--lock" in done.stdout, done.stderr
