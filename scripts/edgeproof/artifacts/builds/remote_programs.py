"""A builder that runs on a board behind ssh: its files go there, the lock is held there, what it writes comes back."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edgeproof.agent.messages import tell
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import describe_kill, name_signal
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import digest_json
from edgeproof.remote.boards import Board, BoardJob
from edgeproof.remote.ssh_link import LinkLost

from .build_job import BuildJob

_SLACK_S = 3600.0  # for how long the device may be busy with something else
_PLACE = "{out}"  # stands for the program's folder in its command
_TOLD = ("program.json", "program.txt")


def run_program_on_board(
    board: Board, job: BuildJob, command: Sequence[str], folder: Path, timeout_s: float
) -> tuple[int | None, str]:
    """Run a builder's program on a remote board; return (exit code, output), the code None after `timeout_s`.

    The files of `folder` that the command names are sent, and what the program writes beside them comes back into it.
    A program that ended while the link was lost is taken. UserError where it could not be started.
    """
    words = [word.replace(str(folder), _PLACE) for word in command]
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    needed = [path for path in files if any(str(path) in word for word in command)]
    spec = {
        "label": f"build of {job}",
        "lock": board.link.device.get("lock"),
        "board": job.board,
        "timeout_s": timeout_s,
        "command": words,
        "place": _PLACE,
        "files": [{"artifact": str(path), "name": path.name} for path in needed],
    }
    key = digest_json({"command": words, "files": {path.name: sha256_file(path) for path in needed}})
    task = BoardJob("program", spec["label"], key, Path(job.manifest).parent, spec, timeout_s + _SLACK_S)
    try:
        with tempfile.TemporaryDirectory(prefix="edgeproof-program-") as place:
            out, log = Path(place, "out"), Path(place, "agent.log")
            code = board.carry_out(task, out, log)
            if code:
                failure, ended_by = out / "failure.json", name_signal(code)
                if failure.exists():
                    message = json.loads(failure.read_text())["message"]
                else:
                    message = f"the agent {describe_kill(ended_by)}" if ended_by else log.read_text()[-300:]
                raise UserError(f"{spec['label']} on {board.link.host}: {message}")
            ended = json.loads((out / "program.json").read_text())["code"]
            text = (out / "program.txt").read_text(errors="replace")
            tell(text, end="")
            for path in sorted(out.iterdir()):
                if path.name not in _TOLD:
                    os.replace(path, folder / path.name)
    except LinkLost:
        raise
    except UserError:
        board.forget_session()
        raise
    board.forget_session()
    return ended, text
