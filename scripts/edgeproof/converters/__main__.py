"""Start a converter: `python -m edgeproof.converters NAME SPEC OUT` (see `protocol`)."""

import gc
import runpy
import sys

gc.disable()  # until its packages are imported: looking for garbage meanwhile takes 0.4 s with TensorFlow
runpy.run_module(f"edgeproof.converters.to_{sys.argv.pop(1)}", run_name="__main__")
