"""`page.html` of a replay: what ran when, both guards side by side, and what each variant is known for."""

import functools
from collections.abc import Iterator
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import SPACE, format_number, plural
from edgeproof.runtime.stability import MODES

_FOLDER = Path(__file__).parent
_WIDTH, _LANE = 960, 22
_REASONS = {
    "same": "the policy names what runs",
    "in_flight": "a load is running",
    "outside": "the policy named a variant that does not fit",
    "forced": "what runs does not fit any more",
    "lock": "too many swaps in the window",
    "cooldown": "too soon after the last swap",
    "hysteresis": "too small a difference",
    "swap": "worth a swap",
}


def render_page(summary: Json, decisions: FilePath) -> str:
    """Return `page.html` of a replay, self-contained. `decisions`: path of its `decisions.jsonl`."""
    stays = list_stays(decisions, summary)
    return (
        _environment()
        .get_template("replay.html.j2")
        .render(
            d=summary,
            modes=MODES,
            number=format_number,
            space=SPACE,
            reasons=_REASONS,
            verdict=say_verdict(summary),
            drawings={mode: Markup(_draw(stays[mode], summary)) for mode in MODES},
        )
    )


def say_verdict(summary: Json) -> str:
    """Return the sentence at the head of a replay's page on what the replay shows."""
    fixed, seed = (summary["modes"][mode] for mode in MODES)
    swaps = plural(fixed["swaps"], "swap")
    text = f"{swaps} in {_say_time(summary['seconds'])}, {seed['swaps']} under EdgeAdapt's own guard"
    worth, before = fixed["worth"], seed["worth"]
    return (
        f"{text}. What ran did not fit for {_say_time(worth['infeasible_s'])} ({_say_time(before['infeasible_s'])}); "
        f"regret against an oracle {worth['regret']:.3f} ({before['regret']:.3f}) on a scale from 0 to 1."
    )


def list_stays(decisions: FilePath, summary: Json) -> dict[str, list[tuple[float, float, str]]]:
    """Return {mode: [(from, to, variant)]} in seconds for a replay's page, from the lines of `decisions.jsonl`."""
    stays: dict[str, list[tuple[float, float, str]]] = {mode: [] for mode in MODES}
    for mode, at_s, active in _read_lines(decisions):
        own = stays[mode]
        if own and own[-1][2] == active:
            own[-1] = (own[-1][0], at_s, active)
        else:
            if own:
                own[-1] = (own[-1][0], at_s, own[-1][2])
            own.append((at_s, at_s, active))
    return stays


@functools.cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(_FOLDER)
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined)


def _read_lines(decisions: FilePath) -> Iterator[tuple[str, float, str]]:
    import json

    with open(decisions, encoding="utf-8") as stream:
        for line in stream:
            step = json.loads(line)
            yield step["mode"], step["at_s"], step["active"]


def _draw(stays: list[tuple[float, float, str]], summary: Json) -> str:
    """Return lanes, one per variant, with a bar wherever it ran, as SVG."""
    names, total = list(summary["variants"]), max(summary["seconds"], 1e-9)
    height = _LANE * len(names) + 18
    words = escape(f"What ran when: {', '.join(names)}")
    parts = [f'<svg viewBox="0 0 {_WIDTH + 110} {height}" role="img" aria-label="{words}">']
    for number, name in enumerate(names):
        y = _LANE * number
        parts.append(f'<text x="0" y="{y + 15}">{escape(name)}</text>')
        parts.append(f'<line class="lane" x1="110" x2="{_WIDTH + 110}" y1="{y + 10}" y2="{y + 10}"/>')
    for start, end, name in stays:
        x, width = 110 + _WIDTH * start / total, max(1.0, _WIDTH * (end - start) / total)
        y = _LANE * names.index(name)
        title = escape(f"{name} from {start:.0f} s to {end:.0f} s")
        parts.append(
            f'<rect class="stay" x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="14"><title>{title}</title></rect>'
        )
    parts.append(f'<text x="110" y="{height - 3}">0</text>')
    parts.append(f'<text class="end" x="{_WIDTH + 110}" y="{height - 3}">{_say_time(summary["seconds"])}</text></svg>')
    return "".join(parts)


def _say_time(seconds: float) -> str:
    if seconds >= 5400:
        return f"{format_number(seconds / 3600)}{SPACE}h"
    return f"{format_number(seconds)}{SPACE}s"
