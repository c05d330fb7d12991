"""Write the artifact of the fake backend, which simulates a model, and its manifest."""

from edgeproof.artifacts.builds.build_job import parse_job
from edgeproof.artifacts.builds.onnx_artifacts import build_fake
from edgeproof.core.cli import run_program


def main(argv):
    build_fake(parse_job("scripts/build_fake.py", __doc__, argv))


if __name__ == "__main__":
    run_program(main)
