"""Build a TensorRT engine with trtexec, on the machine that will run it, and its manifest."""

from edgeproof.artifacts.builds.build_job import ON_DEVICE, SUPPLIED, parse_build_job
from edgeproof.artifacts.builds.build_shortcuts import record_input_fault
from edgeproof.artifacts.builds.tensorrt_engines import build_tensorrt
from edgeproof.core.clock import require_order
from edgeproof.core.program_start import run_program


def main(argv):
    job = parse_build_job("scripts/build_tensorrt.py", __doc__, argv, (*ON_DEVICE, *SUPPLIED))
    require_order([__file__, job.source, job.identity, job.calibration])
    if not record_input_fault(job):
        build_tensorrt(job)


if __name__ == "__main__":
    run_program(main)
