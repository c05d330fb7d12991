"""What leaves a log before it leaves the machine: host and user names, home folders, secrets.

Only logs are redacted: no figure rests on them, and everything else in a bundle has a digest that somebody relies on.
What the rules find in other files is counted and left, so that you can decide before you send the bundle.
"""

import getpass
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# Rules by name: what they look for. Listed in every bundle.
RULES = {
    "secret": "values of environment variables that are secret by their names, private keys, tokens in known forms",
    "credentials": "user and password in addresses, and what follows `Authorization:`",
    "checkout": "the path of this checkout",
    "home": "home folders: your own, and any below /home, /Users and C:\\Users",
    "host": "the names of this machine",
    "user": "your user name",
    "path": "absolute paths that the configuration in the bundle holds, but for those that every system has",
}
LOGS = (".log", "log.txt", "progress.jsonl")  # ends of names of files that are redacted
_SECRET_NAMES = re.compile(r"(?i)(token|secret|passw|credential|api_?key|private_?key|access_?key|auth)")
_SHORTEST_SECRET = 6
_NOBODY = ("root", "user", "admin", "ubuntu", "runner", "pi", "nvidia", "jovyan", "localhost", "localhost.localdomain")
_FIXED = {
    "secret": (
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
        r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|xox[abpr]-|sk-)[A-Za-z0-9_-]{10,}",
        r"\bAKIA[0-9A-Z]{16}\b",
    ),
    "credentials": (r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)", r"(?<=[Aa]uthorization: )[^\r\n]+"),
    "home": (r"/(?:home|Users)/[^/\s\"':]+", r"[A-Za-z]:\\Users\\[^\\\s\"':]+"),
}

# A path that begins here and not in a word, an address or a pattern; what every Unix has tells nobody anything.
_ABSOLUTE = re.compile(
    r"(?<![\w.:/~\\<>{}*-])/(?!(?:usr|bin|sbin|lib|lib64|dev|proc|sys)(?:/|\b))[\w.@+-]+(?:/[\w.@+-]+)*"
    r"|\b[A-Za-z]:[\\/][\w.@+-]+(?:[\\/][\w.@+-]+)*"
)


class Rule(NamedTuple):
    """One rule of RULES and the pattern that it looks for on this machine."""

    name: str
    pattern: re.Pattern[str]


def make_rules(environment: Mapping[str, str] | None = None, checkout: Path | None = None) -> list[Rule]:
    """Return the redaction rules for what this machine, its user and its environment are called.

    `environment`: of the process by default. `checkout`: the repository that a bundle is made of.
    """
    known = os.environ if environment is None else environment
    secrets = [value for name, value in known.items() if _SECRET_NAMES.search(name) and len(value) >= _SHORTEST_SECRET]
    words: dict[str, list[str]] = {
        "secret": [re.escape(value) for value in secrets],
        "checkout": [re.escape(str(checkout.resolve()))] if checkout else [],
        "home": [re.escape(known["HOME"]) + r"(?![\w.-])"] if len(known.get("HOME", "")) > 1 else [],
        "host": [_as_word(name) for name in _list_host_names() if name.lower() not in _NOBODY],
        "user": [_as_word(name) for name in _list_user_names(known) if name.lower() not in _NOBODY],
    }
    rules: list[Rule] = []
    for name in RULES:
        patterns = sorted(words.get(name, ()), key=len, reverse=True) + list(_FIXED.get(name, ()))
        if patterns:
            rules.append(Rule(name, re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.DOTALL)))
    return rules


def make_path_rule(texts: Iterable[str]) -> list[Rule]:
    """Return the redaction rule for the absolute paths in texts of a configuration; none where they hold none."""
    found = sorted({path for text in texts for path in _ABSOLUTE.findall(text)}, key=len, reverse=True)
    pattern = "|".join(f"{re.escape(path)}(?![\\w-])" for path in found)
    return [Rule("path", re.compile(pattern))] if found else []


def is_log(path: str) -> bool:
    """Tell whether a file is a log, which needs redaction."""
    return path.endswith(LOGS)


def redact(text: str, rules: Sequence[Rule]) -> tuple[str, dict[str, int]]:
    """Return (text after redaction, {rule: how often}); what a rule has found there is replaced by `<rule>`."""
    counts: dict[str, int] = {}
    for rule in rules:
        text, count = rule.pattern.subn(f"<{rule.name}>", text)
        if count:
            counts[rule.name] = counts.get(rule.name, 0) + count
    return text, counts


def count_left(text: str, rules: Sequence[Rule]) -> dict[str, int]:
    """Return {redaction rule: how often it would find something} in a file that stays as it is."""
    return redact(text, rules)[1]


def _list_host_names() -> Iterator[str]:
    name = socket.gethostname()
    yield from dict.fromkeys(filter(None, (name, name.partition(".")[0])))


def _list_user_names(environment: Mapping[str, str]) -> Iterator[str]:
    try:
        found = [getpass.getuser()]
    except (OSError, KeyError):
        found = []
    yield from dict.fromkeys(filter(None, (*found, environment.get("USER"), environment.get("LOGNAME"))))


def _as_word(name: str) -> str:
    return rf"(?<![\w.-]){re.escape(name)}(?![\w-])"
