"""Equal code has one digest; what changes nothing but the text of a file leaves it alone."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.core.code_digest import digest_code

CODE = '''
"""A module."""
import os

def scale(value: float, by: int = 2) -> float:
    """Scale."""
    # why
    return value * by + len(f"{value!r:>{by}} of {os.sep}")
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# why not"),
        ('"""Scale."""', '"""Scale it."""'),
        ('"""A module."""\n', ""),
        ("value * by + len", "value * by  +  len"),
        ('f"{value!r:>{by}} of {os.sep}"', 'f"{value!r:>{by}}" f" of {os.sep}"'),
        ("import os\n", "import os\n\n\n"),
    ],
)
def test_text_that_does_nothing_changes_nothing(old, new):
    assert old in CODE and digest_code(CODE) == digest_code(CODE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("value * by", "by * value"),
        ("by: int = 2", "by: int = 3"),
        ("by: int = 2", "by: int = True"),
        ("import os", "import os, sys"),
        (" of ", " or "),
        ("!r", ""),
        ("def scale", "async def scale"),
    ],
)
def test_what_the_code_does_is_in_the_digest(old, new):
    assert old in CODE and digest_code(CODE) != digest_code(CODE.replace(old, new))


def test_text_that_is_not_a_docstring_counts():
    assert digest_code("x = 1\n'text'\n") != digest_code("x = 1\n")


MODULES = sorted(str(path) for path in Path("scripts/edgeproof/core").glob("*.py"))[:30]
PROGRAM = """
import json, sys
sys.path.insert(0, "scripts")
from edgeproof.core.code_digest import digest_code
print(json.dumps({path: digest_code(open(path, "rb").read()) for path in sys.argv[1:]}))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_gives_the_same_digests(version):
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True).returncode:
        pytest.skip(f"no Python {version} here")
    done = subprocess.run([python, "-c", PROGRAM, *MODULES], capture_output=True, text=True, check=True)
    here = {path: digest_code(Path(path).read_bytes()) for path in MODULES}
    assert len(here) >= 15 and json.loads(done.stdout) == here, sys.version
