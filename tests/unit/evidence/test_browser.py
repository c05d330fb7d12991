"""The page in a real browser: nothing is wider than the window, on a desk and on a telephone."""

import re
import shutil
import subprocess

import pytest
from edgeproof.evidence.rendering import write_report

from .conftest import NOISE

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    *("--allow-file-access-from-files", "--virtual-time-budget=5000"),
]
# Headless windows are at least 500 pixels wide, so the page is put into a frame of the width wanted.
WRAPPER = """<!doctype html><body style="margin:0">
<iframe src="{page}" style="border:0;width:{width}px;height:900px"></iframe>
<pre id="found"></pre><script>
onload = () => {{
  const inner = document.querySelector("iframe").contentDocument, root = inner.documentElement;
  const wide = [...inner.querySelectorAll("body *")].filter(e => !e.closest(".scroll, svg, .skip, .hidden, thead")
    && e.getBoundingClientRect().right > {width} + 0.5).map(e => e.tagName + "." + e.className);
  const text = `scroll ${{root.scrollWidth}} client ${{root.clientWidth}} wide ${{wide}} end`;
  document.querySelector("#found").textContent = text;
}};
</script>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium here; install one to see the page as a reader does"),
]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_page_does_not_scroll_sideways(campaign, tmp_path, width):
    page, wrapper = tmp_path / "report.html", tmp_path / "wrapper.html"
    write_report(campaign, ["throttled"], page, tmp_path / "report.md", NOISE)
    page.write_text(page.read_text().replace("<details>", "<details open>"))
    wrapper.write_text(WRAPPER.format(page=page.as_uri(), width=width))
    command = [
        BROWSER,
        *OPTIONS,
        f"--user-data-dir={tmp_path}/profile",
        f"--window-size={max(width, 500)},900",
        "--dump-dom",
    ]
    done = subprocess.run([*command, wrapper.as_uri()], capture_output=True, text=True, timeout=120)
    found = re.search(r"scroll (\d+) client (\d+) wide (.*?) end</pre>", done.stdout)
    assert found, done.stderr[-2000:]
    assert int(found[1]) <= int(found[2]), found[0]
    assert found[3] == "", found[0]
