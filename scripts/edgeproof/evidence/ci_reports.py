"""A judged campaign as machines and forges read it: JUnit's XML, workflow commands, one short Markdown comment."""

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

from edgeproof.core.configuration import Json
from edgeproof.core.layout import evidence_folder

from .gate_words import count_passing, list_verdicts
from .judged_campaign import JudgedCampaign, name_entry
from .rendering import escape_markdown
from .stale import name_remedy

_VERDICTS, _FAILURES = 7, 4  # that a comment names; the rest are counted
# What XML 1.0 cannot hold, even escaped.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Case(NamedTuple):
    """One thing that was judged. `state`: ok, tolerated or failing; `text`: reasons, or the verdict."""

    suite: str
    name: str
    state: str
    text: str


def render_junit(judged: JudgedCampaign) -> str:
    """Return the gate as a CI report in JUnit's XML.

    It has a suite each of cells, comparisons, plans and documents that are not today's. What is tolerated is a skipped
    case with its reason. The verdict of a comparison is its `system-out`. (There is no standard; Jenkins' junit-10.xsd
    is what servers read.)
    """
    root = ElementTree.Element("testsuites", name=f"edgeproof {judged.campaign}")
    cases = list(_list_cases(judged))
    for suite in dict.fromkeys(case.suite for case in cases):
        own = [case for case in cases if case.suite == suite]
        counts = {"failures": "failing", "skipped": "tolerated"}
        numbers = {name: str(sum(case.state == state for case in own)) for name, state in counts.items()}
        node = ElementTree.SubElement(
            root, "testsuite", {"name": suite, "tests": str(len(own)), "errors": "0"} | numbers
        )
        for case in own:
            leaf = ElementTree.SubElement(node, "testcase", classname=suite, name=_clean(case.name))
            if case.state != "ok":
                kind = "failure" if case.state == "failing" else "skipped"
                ElementTree.SubElement(leaf, kind, message=_clean(case.text)).text = _clean(case.text)
            elif case.text:
                ElementTree.SubElement(leaf, "system-out").text = _clean(case.text)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def render_annotations(judged: JudgedCampaign) -> str:
    """Return the gate as a CI report of workflow commands, a line each.

    They are errors for what fails, warnings for what is tolerated, notices for verdicts. GitHub and Forgejo show them
    beside a pull request.
    """
    levels = {"failing": "error", "tolerated": "warning", "ok": "notice"}
    lines = [
        f"::{levels[case.state]} title={_escape_property(f'{case.suite}: {case.name}')}::{_escape_data(case.text)}"
        for case in _list_cases(judged)
        if case.text
    ]
    return "".join(f"{line}\n" for line in lines)


def render_comment(judged: JudgedCampaign) -> str:
    """Return the gate as a CI report in Markdown: a comment of at most 20 lines, for a pull request."""
    state = "passed" if judged.passed else "not passed"
    lines = [f"**Gate of campaign {escape_markdown(judged.campaign)} {state}.** Cells: {count_passing(judged)}."]
    verdicts = list_verdicts(judged, _VERDICTS)
    lines += (
        ["", *(f"- {escape_markdown(name)}: {escape_markdown(text)}" for name, text in verdicts)] if verdicts else []
    )
    if (more := len(judged.comparisons) - len(verdicts)) > 0:
        lines.append(f"- and {more} more comparisons")
    failing = [case for case in _list_cases(judged) if case.state == "failing"]
    if failing:
        lines += ["", "Not passed:", ""]
        lines += [f"- {escape_markdown(case.name)}: {escape_markdown(case.text)}" for case in failing[:_FAILURES]]
    if len(failing) > _FAILURES:
        lines.append(f"- and {len(failing) - _FAILURES} more")
    lines += ["", f"Every number and reason: `{evidence_folder(judged.campaign)}/report.html`"]
    return "\n".join(lines) + "\n"


def _list_cases(judged: JudgedCampaign) -> Iterator[_Case]:
    for entry in judged.cells:
        yield _case("cells", entry)
    told, gated = dict(list_verdicts(judged, len(judged.comparisons))), {}
    for entry in judged.compared:
        gated[entry["comparison"]] = entry
    for name, text in told.items():
        entry = gated.get(name)
        reasons = "; ".join(entry["reasons"]) if entry else ""
        yield _Case("comparisons", name, entry["state"] if entry else "ok", f"{reasons}. {text}" if reasons else text)
    for entry in judged.plans:
        yield _case("plans", entry)
    for item in judged.stale:
        yield _Case("documents", item.path, "failing", f"{'; '.join(item.reasons)}; {name_remedy([item])}")


def _case(suite: str, entry: Json) -> _Case:
    return _Case(suite, name_entry(entry), entry["state"], "; ".join(entry["reasons"]))


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape_data(text).replace(":", "%3A").replace(",", "%2C")
