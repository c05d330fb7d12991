"""Write the artifact of the fake backend, which simulates a model, and its manifest."""

from edgeproof.artifacts.builds.build_job import parse_build_job
from edgeproof.artifacts.builds.build_shortcuts import take_shortcut
from edgeproof.artifacts.builds.fake_artifacts import build_fake
from edgeproof.core.program_start import run_program


def main(argv):
    job = parse_build_job("scripts/build_fake.py", __doc__, argv)
    if not take_shortcut(job):
        build_fake(job)


if __name__ == "__main__":
    run_program(main)
