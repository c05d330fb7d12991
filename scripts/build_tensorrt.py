"""Build a TensorRT engine with trtexec, on the machine that will run it, and its manifest."""

from edgeproof.artifacts.builds.build_job import ON_DEVICE, parse_job
from edgeproof.artifacts.builds.tensorrt_engines import build_tensorrt
from edgeproof.core.cli import run_program


def main(argv):
    build_tensorrt(parse_job("scripts/build_tensorrt.py", __doc__, argv, ON_DEVICE))


if __name__ == "__main__":
    run_program(main)
