"""The documentation: every relative link and anchor leads somewhere, and what is named there exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/*.md", "config/*.md", "profiles/*.md")
    for path in ROOT.glob(pattern)
)
ROOMS = (
    *("sources", "artifacts", "runs", "calibration", "comparability", "plans"),
    *("adaptation", "evidence", "phases", "bundles", "claims", "registry"),
)
PARTS = ("How to use it", "What comes out", "When it goes wrong", "How it works")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_NAMED = re.compile(r"`((?:config|docs|envs|profiles|rules|scripts|tests)/[\w./+-]+\.\w+)`")
_PLACEHOLDER = re.compile(r"[A-Z]{4}|acme|mine\b")  # names of what you are about to make


def list_links(page):
    """Return the targets of a page's links, without those inside code."""
    text = _CODE.sub("``", _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8")))
    return _LINK.findall(text)


def list_anchors(path):
    """Return the anchors of a page's headings, as forges make them."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    anchors: list[str] = []
    for heading in _HEADING.findall(text):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
        anchor = words.replace(" ", "-")
        count = sum(1 for other in anchors if re.fullmatch(re.escape(anchor) + r"(-\d+)?", other))
        anchors.append(f"{anchor}-{count}" if count else anchor)
    return anchors


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_and_anchors_hold(page):
    broken = []
    for link in list_links(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in list_anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    named = _NAMED.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists() and not _PLACEHOLDER.search(name)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_page_whose_parts_are_in_order(room):
    text = (ROOT / f"docs/{room}.md").read_text(encoding="utf-8")
    headings = [heading for heading in _HEADING.findall(_FENCE.sub("", text)) if heading in PARTS]
    assert headings == list(PARTS)
    assert text.startswith(f"# {room.capitalize()}\n")


def test_every_page_is_reached_from_the_readme():
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page not in PAGES:
            continue
        reached.add(page)
        for link in list_links(page):
            if not re.match(r"[a-z]+:", link) and (name := link.partition("#")[0]):
                target = ((ROOT / page).parent / name).resolve()
                if target.is_relative_to(ROOT):
                    waiting.append(target.relative_to(ROOT).as_posix())
    assert set(PAGES) - reached == set()


def test_the_check_of_anchors_finds_what_a_forge_makes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title: with `code`, dots.\n## Twice\n```\n# no heading\n```\n## Twice\n### [A link](x.md)\n")
    assert list_anchors(page) == ["a-title-with-code-dots", "twice", "twice-1", "a-link"]


_CONFIGFILE = re.compile(r"snakemake [^`#\n]*--configfile((?: +[^\s`#;&|-][^\s`#;&|]*)+)")


@pytest.mark.parametrize("page", PAGES)
def test_what_follows_configfile_is_a_file(page):
    """Snakemake takes every word after it for a campaign file: targets come before."""
    named = [word for found in _CONFIGFILE.findall((ROOT / page).read_text(encoding="utf-8")) for word in found.split()]
    assert [word for word in named if not re.search(r"\.yaml\b|^[A-Z]+…?$|^\[?FILES?\]?$|…|^…", word)] == []
