"""edgeproof: from a model to deployment artifacts and honest evidence about them.

The workflow makes everything (`snakemake --profile local`); these commands look at what it made. Exit codes: 0, 1 for a
verdict that is not good, 2 for a mistake, which is one line.

    edgeproof artifacts VERB …    presets, builds, provenance, parity, operators
    edgeproof plans VERB …        where the stages of a pipeline should run

`edgeproof ROOM --help` lists the verbs of a room.
"""

from edgeproof.core.cli import run_program
from edgeproof.core.errors import UserError

# Rooms are imported when they are asked for: a room brings its packages, and `--help` needs none.


def artifacts(argv):
    from edgeproof.artifacts.cli import main as artifacts_main

    return artifacts_main(argv, read_result)


def plans(argv):
    from edgeproof.plans.cli import main as plans_main

    return plans_main(argv)


def read_result(path):
    """Return a result that holds by its raw data; the artifacts room may not import the runs room itself."""
    from edgeproof.runs.results import read_result as read

    return read(path)


ROOMS = {"artifacts": artifacts, "plans": plans}


def main(argv):
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    room, *rest = argv
    if room not in ROOMS:
        raise UserError(f"{room!r} is no room; there are {', '.join(ROOMS)} (edgeproof --help)")
    return ROOMS[room](rest)


if __name__ == "__main__":
    run_program(main)
