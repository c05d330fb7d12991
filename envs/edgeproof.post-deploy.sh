#!/bin/sh
# Snakemake runs this in the new environment, from the folder of the workflow. It hashes this text and not the lock, so
# `make lock` writes the lock's sha256 here: another lock is another environment.
# lock: 14feb763afeba28c1e2647c57918ec4e9be4adfdbfd4282306e8bf3ea99c033c
set -eu
python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/edgeproof.lock
