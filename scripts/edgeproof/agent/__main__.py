"""edgeproof's agent: what runs on a board.

    python -m edgeproof.agent VERB SPEC OUT

A room starts the VERBs `session`, `pairs`, `infer`, `sample` and `program`; these start `measure`, `work`, `links`,
`flow`, `serve` and `record` (see docs/runs.md). SPEC is a JSON file, OUT a folder to fill.
Exit codes: 0 a verdict was reached (also "failed"), 3 no verdict; then OUT/failure.json and the last line on stderr
say why.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import List

from .failures import NoVerdict, is_of_the_machine
from .messages import tell

_VERBS = ("session", "pairs", "measure", "work", "infer", "links", "flow", "serve", "record", "sample", "program")


def main(argv: List[str]) -> int:
    """Run one verb of the agent's program, `python -m edgeproof.agent`; return the exit code."""
    if len(argv) != 3 or argv[0] not in _VERBS:
        print("usage: python -m edgeproof.agent {} SPEC OUT".format("|".join(_VERBS)), file=sys.stderr)
        return 2
    verb, spec_path, out = argv
    with open(spec_path, encoding="utf-8") as stream:
        spec = json.load(stream)
    os.makedirs(out, exist_ok=True)
    try:
        if verb == "session":
            from .session import run_session

            run_session(spec, out)
        elif verb == "pairs":
            from .pair_session import run_pairs

            run_pairs(spec, out)
        elif verb == "work":
            from .work import work_for_session

            work_for_session(spec, out)
        elif verb == "measure":
            from .measurement import measure_process

            measure_process(spec, out)
        elif verb == "links":
            from .links import measure_links

            measure_links(spec, out)
        elif verb == "flow":
            from .full_pipeline import measure_flow

            measure_flow(spec, out)
        elif verb == "program":
            from .programs import run_program

            run_program(spec, out)
        elif verb == "serve":
            from .serving import serve_steps

            serve_steps(spec, out)
        elif verb == "record":
            from .telemetry import record_telemetry

            record_telemetry(spec, out)
        elif verb == "sample":
            from .telemetry import sample_command

            sample_command(spec, out)
        else:
            from .inference import infer_samples

            infer_samples(spec, out)
    except NoVerdict as error:
        return _end(error, out)
    except OSError as error:
        if not is_of_the_machine(error):
            raise
        return _end(NoVerdict("machine", error), out)
    return 0


def _end(error: NoVerdict, out: str) -> int:
    """Say why there is no verdict, in `failure.json` if the disk has room for it; return the exit code."""
    path = os.path.join(out, "failure.json")
    try:
        with open(path, "w", encoding="utf-8") as stream:
            json.dump({"kind": error.kind, "message": str(error)}, stream)
    except OSError:  # half of it would be read as a whole one
        with contextlib.suppress(OSError):
            os.unlink(path)
    tell("no verdict: {}: {}".format(error.kind, error))
    return 3


if __name__ == "__main__":
    if sys.argv[1:2] in (["session"], ["pairs"], ["program"]):  # it holds the device: what it has started ends first
        from .children import terminate

        for end in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(end) is not signal.SIG_IGN:
                signal.signal(end, terminate)
    if sys.argv[1:2] in (["session"], ["program"], ["infer"], ["sample"]):  # `pairs` end when nobody asks for another
        from .tied_processes import end_with_parent

        end_with_parent(signal.SIGTERM)
    sys.exit(main(sys.argv[1:]))
