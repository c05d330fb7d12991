#!/bin/sh
# Snakemake runs this in the new environment, from the folder of the workflow. It hashes this text and not the lock, so
# `make lock` writes the lock's sha256 here: another lock is another environment.
# lock: 4324a7fa446c69a4cffb12636e3591c86900c58cb5aea98f5ca4d8c5c0a47c25
set -eu
python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/edgeproof.lock
