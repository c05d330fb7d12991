"""No input may be from the future: said before anything is measured, with the command that mends it."""

import os
import re
import subprocess
import sys
import time

import pytest
from edgeproof.core.clock import now, require_order
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY


def make(folder, **ages):
    """Make files that are so many seconds old; negative: dated in the future."""
    for name, age in ages.items():
        (folder / name).write_text("")
        os.utime(folder / name, (time.time() - age,) * 2)
    return [folder / name for name in ages]


def test_inputs_of_the_past_pass(tmp_path):
    assert require_order([*make(tmp_path, a=100, b=0), None, tmp_path / "missing"]) is None
    assert require_order([]) is None


def test_an_input_from_the_future_names_itself_and_two_commands(tmp_path):
    paths = make(tmp_path, a=10, b=-3600, c=-7200)
    with pytest.raises(UserError, match=r"/c: is dated .*, but the clock says .*, so nothing is measured") as refused:
        require_order(paths)
    assert str(refused.value).endswith(f"touch {tmp_path}/b {tmp_path}/c")


def test_many_inputs_from_the_future_have_one_short_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "b").mkdir(parents=True)
    paths = make(tmp_path / "results" / "b", **{f"file-{number}": -3600 for number in range(9)})
    with pytest.raises(UserError) as refused:
        require_order(paths)
    named = " ".join(f"results/b/file-{number}" for number in range(3))
    command = re.search(rf"if the dates are wrong \({named} and 6 more\): (find .*)$", str(refused.value))
    subprocess.run(command[1], shell=True, check=True)
    require_order(paths)
    assert str(tmp_path) not in str(refused.value)


def test_the_commands_mend_it(tmp_path):
    paths = make(tmp_path, a=10, b=-3600)
    with pytest.raises(UserError) as refused:
        require_order(paths)
    date = re.search(r"date -s '([^']*)'", str(refused.value))[1]
    seconds = subprocess.run(["date", "-d", date, "+%s"], capture_output=True, text=True, check=True).stdout
    require_order(paths, float(seconds))  # as if the clock had been set
    subprocess.run(re.search(r"touch .*$", str(refused.value))[0], shell=True, check=True)
    require_order(paths)


def test_a_board_that_wakes_up_in_1970(tmp_path):
    with pytest.raises(UserError, match=r"the clock says 1970-"):
        require_order(make(tmp_path, a=0), now_s=86_400.0)


def test_now_is_utc_to_the_second():
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now())


@pytest.mark.parametrize("script", ["measure_run", "measure_pairs", "calibrate_cell", "measure_links", "check_plan"])
def test_whatever_measures_asks_first(script, tmp_path, monkeypatch):
    """Every measuring script stops at an input from the future, before it looks into any of them."""
    import argparse
    import importlib

    module = importlib.import_module(script)
    (late,) = make(tmp_path, late=-3600)
    arguments = []
    actions = {}
    original = argparse.ArgumentParser.parse_args

    def record(parser, *_):
        actions.update(parser._option_string_actions)
        raise StopIteration

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", record)
    with pytest.raises(StopIteration):
        module.main([])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", original)
    monkeypatch.setattr(module, "require_toolchains", lambda records: None)
    for option, action in actions.items():
        if option.startswith("--") and option not in ("--help", "--interpreter"):
            is_json = getattr(action.type, "__name__", "") == "json_argument"
            value = "1" if action.type is int else "{}" if is_json else str(late)
            arguments += [option, value]
    with pytest.raises(UserError, match="so nothing is measured"):
        module.main(arguments)


def test_parity_says_so_before_it_compares(tmp_path):
    names = ("source", "artifact", "manifest", "inputs", "samples")
    paths = dict(zip(names, make(tmp_path, **dict.fromkeys(names, 0.0)), strict=True))
    os.utime(paths["artifact"], (time.time() + 86_400,) * 2)
    options = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    options += ["--cell", "{}", "--arm", "{}", "--thresholds", "{}", "--reference", "none", "--parity", "none"]
    done = subprocess.run(
        [sys.executable, REPOSITORY / "scripts/check_parity.py", *options], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("error: artifact: is dated ")
