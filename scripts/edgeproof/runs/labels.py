"""Labels of a result: what a reader of its headline should know. None of them withholds a number."""

from collections.abc import Iterator

from edgeproof.core.configuration import Json

from .conditions import describe_steal
from .drift_records import say_changes


def list_labels(result: Json) -> list[Json]:
    """Return the labels of a result whose samples are summarised: {label, message} of all that applies.

    `noisy`: the interval is wider than the protocol's width. `modes`: starts jump between levels. `steal`, `drift`: the
    machine was disturbed, or changed its speed, within a session. `depends_on_inputs`, `random_inputs`: of the samples.
    `partly_accelerated`: the accelerator that was asked for ran only a part. `not_settled`: sustained load ended before
    latency and temperature had settled. `sampler`: one that did not run, or ended by itself.
    """
    found = [*_label_headline(result), *_label_accelerator(result), *_label_sessions(result), *_label_inputs(result)]
    return [{"label": label, "message": message} for label, message in found]


def _label_headline(result: Json) -> Iterator[tuple[str, str]]:
    latency = result["latency"]
    if latency["noisy"]:
        wide = f"±{latency['width']:.0%}"
        where = {
            "session": f"the interval within the session is wider than {wide}",
            "two sessions": f"the interval of a session is wider than {wide}",
            "sessions": f"the interval over sessions is wider than {wide}",
        }
        yield "noisy", where[latency["basis"]]
    loads = [process["load"] for process in result["processes"] if process["load"]]
    if any(not load["settled"] for load in loads):
        minutes = max(load["windows"][-1]["seconds"] for load in loads) / 60
        yield "not_settled", f"latency or temperature still moved after {minutes:.1f} minutes of load"


def _label_accelerator(result: Json) -> Iterator[tuple[str, str]]:
    use = result.get("accelerator")
    if use and use["others_count"]:
        time = "" if use["share_time"] is None else f" and {use['share_time']:.1%} of the time"
        more = use["others_count"] - len(use["others"])
        named = ", ".join(use["others"]) + (f" and {more} more" if more else "")
        yield "partly_accelerated", f"{use['requested']} ran {use['share_nodes']:.1%} of the nodes{time}; not {named}"


def _label_sessions(result: Json) -> Iterator[tuple[str, str]]:
    several = len(result["sessions"]) > 1
    for number, session in enumerate(result["sessions"]):
        prefix = f"session {number}: " if several else ""
        if len(session["modes"]) > 1:
            levels = [
                f"{mode['level_ms']:.4g} ms in {mode['starts']} ({mode['share']:.0%})" for mode in session["modes"]
            ]
            shown = f"{', '.join(levels[:-1])} and {levels[-1]}"
            yield "modes", f"{prefix}starts have {len(levels)} levels: {shown}"
        if result["provenance"] == "measured" and (steal := describe_steal(session["environment"])):
            yield "steal", prefix + steal.removeprefix("steal: ")
        for words in say_changes(session["drift"]):
            yield "drift", prefix + words
        for sampler in session["telemetry"]["samplers"] if session["telemetry"] else ():
            if sampler["reason"]:
                yield "sampler", f"{prefix}{sampler['id']}: {sampler['reason']}"


def _label_inputs(result: Json) -> Iterator[tuple[str, str]]:
    inputs = result["inputs"]
    if inputs["depends"]:
        yield (
            "depends_on_inputs",
            f"inputs differ by {inputs['spread']:.1%}; the slowest is number {inputs['slowest']} of "
            f"{len(inputs['levels_ms'])}, {inputs['levels_ms'][inputs['slowest']]:.4g} ms",
        )
    if inputs["kind"] == "random":
        yield "random_inputs", "the samples are random numbers, no data of the task"
