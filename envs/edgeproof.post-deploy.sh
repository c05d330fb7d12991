#!/bin/sh
# Snakemake runs this in the new environment, from the folder of the workflow. It hashes this text and not the lock, so
# `make lock` writes the lock's sha256 here: another lock is another environment.
# lock: 5c1f41bca31149c7cf8dd1b9b7534aeb5657680ba81a8cf94cd8671f721780b3
set -eu
python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/edgeproof.lock
