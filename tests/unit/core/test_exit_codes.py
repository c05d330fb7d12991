"""What ended a process is said in words: in attempts, and to whom it concerns."""

import json

import pytest
from edgeproof.core.attempts import list_attempts, open_attempt
from edgeproof.core.exit_codes import describe_kill, name_signal
from edgeproof.core.keys import compose_key

KEY, HERE = compose_key({"threads": 1}), {"id": "0" * 16, "board": "desk", "cpu": "a cpu"}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (137, "SIGKILL"),
        (-9, "SIGKILL"),
        (129, "SIGHUP"),
        (-11, "SIGSEGV"),
        (0, None),
        (2, None),
        (127, None),
        (255, None),
    ],
)
def test_a_signal_is_named_by_either_exit_code(code, name):
    assert name_signal(code) == name


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGPIPE"])
def test_an_end_from_outside_says_what_to_do(name):
    assert name in describe_kill(name) and describe_kill(name).lower().endswith("run the same command again")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (SystemExit(143), "interrupted", "ended by SIGTERM"),
        (SystemExit(129), "interrupted", "ended by SIGHUP"),
        (SystemExit(1), "interrupted", "the program ended with exit code 1"),
        (KeyboardInterrupt(), "interrupted", "interrupted with Ctrl-C (SIGINT)"),
        (ValueError("odd\nthing"), "error", "odd thing"),
        (ValueError(), "error", "ValueError"),
    ],
)
def test_an_attempt_says_in_words_what_ended_it(tmp_path, error, kind, message):
    with pytest.raises(type(error)), open_attempt(tmp_path, "session", KEY, HERE):
        raise error
    (attempt,) = list_attempts(tmp_path)
    assert json.loads((attempt.folder / "failure.json").read_text()) == {"kind": kind, "message": message}
