#!/bin/sh
# Snakemake runs this in the new environment, from the folder of the workflow. It hashes this text and not the lock, so
# `make lock` writes the lock's sha256 here: another lock is another environment.
# lock: ae28f32302e03769b80b46294465c09668bb36c1f8114c2c7b91c0424cdbc28c
set -eu
python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/edgeproof.lock
