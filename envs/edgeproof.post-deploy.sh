#!/bin/sh
# Snakemake runs this in the new environment, from the folder of the workflow. It hashes this text and not the lock, so
# `make lock` writes the lock's sha256 here: another lock is another environment.
# lock: 481e90957ec0f0b3e7b4087d425710d5d7653c3a4e35e046ee3e544b0087ecc9
set -eu
python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/edgeproof.lock
