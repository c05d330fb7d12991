"""Build an ONNX artifact of one precision from the fp32 source model, and its manifest."""

from edgeproof.artifacts.builds.build_job import SUPPLIED, parse_build_job
from edgeproof.artifacts.builds.build_shortcuts import take_shortcut
from edgeproof.core.program_start import importing, run_program


def main(argv):
    job = parse_build_job("scripts/build_onnx.py", __doc__, argv, SUPPLIED)
    if take_shortcut(job):
        return
    with importing():
        from edgeproof.artifacts.builds.onnx_artifacts import build_onnx
    build_onnx(job)


if __name__ == "__main__":
    run_program(main)
