"""The page as a reader has it: at three widths, in light and dark, by mouse, by keyboard, on paper, offline."""

import contextlib
import re
import shlex
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from edgeproof.__main__ import build_program_parser
from edgeproof.core.command_line import read_options
from edgeproof.evidence.cli import main

from .conftest import SIZES, WIDTHS

pytestmark = pytest.mark.browser
PAGES = [("small", "report"), ("large", "report"), ("large", "model")]
WIDE = """() => [...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".scroll, svg, .skip, .hidden, thead"))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).map(e => `${e.tagName}.${e.className}`)"""
CELLS = '[aria-label="Find a cell"]'


@pytest.fixture
def written(request):
    """A function from the name of a campaign and of one of its pages to the file."""
    return lambda campaign, name: request.getfixturevalue(campaign).pages[name]


def shown_rows(page, table="table[data-noun=cell]"):
    """Return the texts of a table's first column in the order on the page, without hidden rows and heads of groups."""
    rows = page.locator(f"{table} tbody tr:not(.group):not(.reasons):visible")
    return [" ".join(text.split()) for text in rows.locator("th").all_inner_texts()]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("campaign", "name"), PAGES)
def test_nothing_is_wider_than_the_window(show, written, campaign, name, width):
    page = show(written(campaign, name), width)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate(WIDE) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize(("campaign", "name"), PAGES)
def test_axe_finds_no_violation(show, written, campaign, name, width, scheme):
    page = show(written(campaign, name), width, color_scheme=scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_search_needs_all_words(show, small):
    page = show(small.pages["report"])
    page.get_by_label("Search cells").fill("squeezenet INT8")
    assert shown_rows(page) == ["int8 ort-cpu · desk", "int8-dynamic ort-cpu · desk"]
    assert page.locator(f"{CELLS} output").inner_text() == "2 of 10 cells"
    assert page.locator("table.cells .group:visible").all_inner_texts() == ["squeezenet"]
    page.get_by_label("Search cells").fill("nothing has this")
    assert shown_rows(page) == []


def test_a_filter_and_a_search_both_hold(show, small):
    page = show(small.pages["report"])
    bar = page.locator(CELLS)
    bar.get_by_role("combobox", name="Precision", exact=True).select_option("fp32")
    assert len(shown_rows(page)) == 4
    page.get_by_label("Search cells").fill("board")
    assert shown_rows(page) == ["fp32 ort-cpu · board"]
    bar.get_by_role("combobox", name="Precision", exact=True).select_option("")
    page.get_by_label("Search cells").fill("")
    assert len(shown_rows(page)) == 10


@pytest.mark.parametrize(
    ("field", "groups"),
    [
        ("model", ["digits-cnn", "squeezenet"]),
        ("preset", ["ort-cpu", "fake"]),
        ("precision", ["fp32", "int8", "fp16", "int8-dynamic"]),
        ("device", ["desk", "board"]),
        ("", []),
    ],
)
def test_cells_are_grouped_by_what_is_chosen(show, small, field, groups):
    page = show(small.pages["report"])
    page.locator(CELLS).get_by_role("combobox", name="Group by", exact=True).select_option(field)
    assert page.locator("table.cells .group:visible").all_inner_texts() == groups
    assert len(shown_rows(page)) == 10


def test_a_column_sorts_by_value_and_what_has_none_comes_last(show, small):
    page = show(small.pages["report"])
    page.locator(CELLS).get_by_role("combobox", name="Group by", exact=True).select_option("")
    head = page.locator("table.cells thead th", has_text="Latency, median")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    values = [float(v) for v in page.locator("table.cells td.key").evaluate_all("all => all.map(e => e.dataset.v)")]
    assert values == sorted(values) and len(values) == 7
    assert len(page.locator("table.cells tbody tr:not(.reasons) >> nth=-1").locator("td.none").all()) == 1
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    turned = [float(v) for v in page.locator("table.cells td.key").evaluate_all("all => all.map(e => e.dataset.v)")]
    assert turned == values[::-1]
    assert page.locator("table.cells tbody tr:not(.reasons) >> nth=-1").locator("td.none").count() == 1


def test_a_long_table_shows_its_first_rows_and_all_when_asked(show, large):
    page = show(large.pages["report"])
    assert len(shown_rows(page)) == 25
    page.get_by_label("Search cells").fill("int8-dynamic")
    assert page.locator(f"{CELLS} output").inner_text() == "25 of 300 cells"
    page.locator(CELLS).get_by_role("button", name="Show all").click()
    assert len(shown_rows(page)) == SIZES["cells"] / 4
    head = page.locator("table[data-noun=comparison] thead th", has_text="Ratio").get_by_role("button")
    head.click()
    page.get_by_label("Search comparisons").fill("model-0001")
    assert len(shown_rows(page, "table[data-noun=comparison]")) == 3


def test_every_command_parses_and_a_copied_one_computes_its_number(show, small, large, capsys):
    for written in (small, large):
        page = show(written.pages["report"])
        commands = page.locator("button.copy").evaluate_all("all => all.map(each => each.dataset.copy)")
        assert len(commands) >= 13
        parser = build_program_parser()
        for command in commands:
            program, room, *options = shlex.split(command)
            assert program == "edgeproof"
            read_options(parser.verbs[room], options)
    page = show(small.pages["report"], permissions=["clipboard-read", "clipboard-write"])
    button = page.locator("#comparison-faster button.copy")
    button.click()
    page.wait_for_function("document.querySelector('#said').textContent.startsWith('Copied: ')")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "edgeproof evidence report trial --comparison faster"
    assert "done" in button.get_attribute("class")
    assert main(shlex.split(copied)[2:], small.root) == 0
    told = capsys.readouterr().out.splitlines()[0]
    shown = page.locator('.verdicts a[href="#comparison-faster"]').inner_text().replace("\u202f", " ")
    assert told == shown


def test_by_keyboard_alone(show, small):
    """From the top: skip to the cells, search, sort, copy a command, and see at each step where the focus is."""
    page = show(small.pages["report"], permissions=["clipboard-read", "clipboard-write"])
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.type") == "search"
    assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") != "none"
    page.keyboard.type("int8")
    assert len(shown_rows(page)) == 4
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.className") == "sort":
            break
    page.keyboard.press("Enter")
    assert page.evaluate(f"{focused}.closest('th').getAttribute('aria-sort')") == "ascending"
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate(f"{focused}.className") == "copy":
            break
    assert page.evaluate(f"getComputedStyle({focused}).outlineStyle") != "none"
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('#said').textContent.startsWith('Copied: edgeproof runs show ')")
    assert page.evaluate("navigator.clipboard.readText()").startswith("edgeproof runs show ")


@pytest.mark.parametrize(("campaign", "name"), PAGES)
def test_no_request_leaves_the_page(show, written, campaign, name):
    path = written(campaign, name)
    page = show(path)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    for search in page.get_by_role("searchbox").all():
        search.fill("fp32")
    for button in page.locator("button.sort").all():
        button.click()
    page.locator("button.copy >> nth=0").click()
    assert asked == [path.as_uri()]


@pytest.mark.parametrize(("campaign", "name"), PAGES)
def test_no_reason_stands_twice(show, written, campaign, name):
    page = show(written(campaign, name))
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    page.evaluate("document.querySelectorAll('[hidden]').forEach(each => { each.hidden = false; })")
    text = " ".join(page.evaluate("document.body.innerText").split())
    reasons = [" ".join(reason.split()) for reason in page.locator(".why").all_inner_texts()]
    reasons += [" ".join(reason.split()) for reason in page.locator(".verdicts a").all_inner_texts()]
    assert reasons
    assert {reason: text.count(reason) for reason in reasons if text.count(reason) != 1} == {}


def test_a_link_to_a_reason_leads_to_it_even_in_what_is_folded_or_filtered(show, small):
    page = show(small.pages["report"])
    page.get_by_label("Search cells").fill("squeezenet")
    hidden = page.locator("#cell-digits-cnn-ort-cpu-desk-fp16")
    assert not hidden.is_visible()
    page.locator('#comparison-shaky a[href="#cell-digits-cnn-ort-cpu-desk-fp16"]').click()
    assert hidden.is_visible() and page.get_by_label("Search cells").input_value() == ""
    same = page.locator("a.same >> nth=0")
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = false; })")
    target = same.get_attribute("href")
    page.evaluate(f"location.hash = '{target}'")
    page.wait_for_function(f"document.querySelector('{target}').checkVisibility()")


def test_a_log_is_two_steps_from_the_head(show, small):
    page = show(small.pages["report"])
    page.locator(".failures a", has_text="int8-dynamic").last.click()
    failure = page.locator("article.failure:target")
    assert failure.is_visible()
    failure.get_by_role("link", name="agent.log").click()
    assert page.locator("body").inner_text().strip() == "Segmentation fault"


def test_on_paper_everything_is_open_and_nothing_is_a_control(show, small):
    page = show(small.pages["report"])
    folded = page.locator("details:not([open])").count()
    assert folded
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print")
    assert not page.locator(".finder:visible, .copy:visible, nav:visible").count()
    assert page.pdf()[:5] == b"%PDF-"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() == folded


def test_without_its_program_the_page_says_the_same(show, small):
    page = show(small.pages["report"], java_script_enabled=False)
    assert page.locator(".copy:visible, .finder, button.sort").count() == 0
    assert len(shown_rows(page)) == 10
    assert page.locator(".verdicts li").count() == 6


def test_a_large_campaign_is_small_and_opens_at_once(browser, large):
    folder = large.pages["report"].parent
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 10_000_000
    times = []
    for _ in range(3):  # the best, since other processes may have the cores
        with contextlib.closing(browser.new_page()) as page:
            page.goto(large.pages["report"].as_uri())
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
            times.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    assert min(times) <= 2000


def test_the_head_says_in_order_what_was_asked_what_is_true_how_sure_and_what_failed(show, small):
    page = show(small.pages["report"], 390)
    places = [
        page.locator(selector).first.bounding_box()["y"] for selector in (".asked", ".verdicts", ".sure", ".failed")
    ]
    assert places == sorted(places)
    sizes = [
        float(re.sub(r"px$", "", page.locator(selector).first.evaluate("e => getComputedStyle(e).fontSize")))
        for selector in (".gate", ".verdicts p")
    ]
    assert sizes[0] < sizes[1]  # the gate is never larger than what counts


def test_every_file_that_a_page_links_is_there(show, small):
    page = show(small.pages["report"])
    links = page.locator('a[href]:not([href^="#"])').evaluate_all("all => all.map(each => each.getAttribute('href'))")
    folder = small.pages["report"].parent
    assert links and [link for link in links if not Path(folder, link).exists()] == []
