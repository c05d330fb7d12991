"""Install what a lock lists into .venv, and say now and then how far it is; needs nothing but Python and pip."""

import argparse
import sys
import time
from pathlib import Path

from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.lock_installation import install_lock
from edgeproof.core.program_start import run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", required=True, type=Path, help="lock file with hashes")
    parser.add_argument("--log", required=True, type=Path, help="file that takes what pip says")
    parser.add_argument("--next", help="command to name at the end")
    args = parser.parse_args(argv)
    began = time.monotonic()
    if install_lock(args.lock, args.log, lambda line: print(line, flush=True)):
        print(args.log.read_text(), file=sys.stderr)
        return ExitCode.NOT_GOOD
    following = f"; next: {args.next}" if args.next else ""
    print(f"done in {time.monotonic() - began:.0f} s{following}", flush=True)
    return ExitCode.GOOD


if __name__ == "__main__":
    run_program(main)
