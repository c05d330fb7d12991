# make          sets up .venv from the lock file and runs the demo campaign on this machine
# make setup    only sets up .venv: one to five minutes
# make help     prints this list
# make test     sets up what the tests need and runs the fast suite (make test-campaign: real models, minutes;
#               make test-toolchain: the heavy converters, minutes and 9 GB; make test-ssh: boards behind a real sshd,
#               as root; make test-slurm: a small Slurm on this machine, as root;
#               make test-browser: the report in headless Chromium, a minute or two)
# make screenshot   docs/page.png from the demo's report
# make cluster-demo  a campaign of two boards on a small Slurm that it starts on this machine; as root, a minute
# make setup-cluster adds what --profile cluster needs
# make lint     ruff, basedpyright, snakefmt and snakemake --lint
# make ci-times what each tier of the last .ci/run took
# make bench    speed and memory, as ratios within one run, into results/bench/
# make bench-noop   what asking 1,000 cells for nothing to do costs, against a bare Snakefile: minutes
# make bench-scale  what planning, reporting and judging 3,000 cells costs, and how large the pages are: minutes
# make bench-registry  what the registry costs with 100,000 runs: minutes
# make bench-judge  what judging 1,000 cells and 500 comparisons costs: a minute or two
# make bench-simulation  what verdicts and intervals promise, on simulated truth, as tables of docs/method.md: minutes
# make bench-convert  our conversions against the same ones by hand, for the toolchains that are there: minutes
# make survival  interrupts a small campaign and the demo at random moments and continues them: half an hour
# make bench-noise  A/A comparisons and a known slow-down on this machine: 90 minutes (or MINUTES=n), nothing else running
# make bench-interleaving  pairs by blocks beside pairs of whole processes on this machine: 20 minutes, nothing else running
# make bench-drift  whether the drift control finds planted changes and names nothing else: 15 minutes, nothing else running
# make bench-history  steps in simulated histories, beside Apache Otava's answers: 10 minutes
# make bench-interference  what taking turns changes, with a planted share beside it: 20 minutes, nothing else running
# make bench-observer  what the observer of the runtime package costs per stage and per call: seconds
# make bench-sampling  what samplers cost the work beside them: 5 minutes, nothing else running
# make bench-remote  what a session over ssh costs beyond one here, over the loopback interface: a minute
# make bench-replay  what replaying a trace of a million moments takes: half a minute
# make bench-feasibility  memory that a replay predicts against what then happens: two minutes, nothing else running
# make bench-loadgen  our timing beside MLPerf LoadGen's: minutes
# make bench-contention  what two memory-bound stages lose to each other, foretold and measured: 2 minutes, nothing else running
# make bench-swaps  200 swaps under load with planted faults, and the log judged: 3 minutes
# make bench-serving  what serving and swapping cost, beside a minimal application: 6 minutes, nothing else running
# make claims   twenty true and twenty false claims of one board, answered by another; as root, 15 minutes
# make staleness  writes what makes what stale into tests/data/staleness_matrix.json
# make wheel    packs the agent and what goes into your own application, as a wheel for boards, into dist/
# make wheelhouse BOARD=jetpack-6  collects the wheels for a board without network, into dist/wheelhouse/
# make docs     writes the tables of config/README.md from the schemas
# make arm64    makes the emulated arm64 boards below .toolchains/: a minute, 470 MB (make test-arm64: checks the agent, the
#               runtimes and the server on them)
# make lock     resolves envs/*.in into envs/*.lock

PYTHON ?= python3
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake

# What you have set for another Python must not reach ours.
unexport PYTHONPATH PYTHONHOME
export PYTHONNOUSERSITE = 1

# A .venv that came along with a copied or moved checkout is mended; that of another checkout is refused.
SETTLED := $(shell { test ! -e .venv/pyvenv.cfg || if test -x $(BIN)/python; \
  then $(BIN)/python -E -s scripts/settle_environment.py; \
  else echo '.venv has no Python that runs; remove it and run make again'; false; fi; } 2>&1 && echo settled)
ifneq ($(lastword $(SETTLED)),settled)
$(error $(filter-out error:,$(SETTLED)))
else ifneq ($(SETTLED),settled)
$(info $(filter-out settled,$(SETTLED)))
endif

# Installs what a lock lists, with a line now and then; what pip says is shown only if it fails.
install = $(BIN)/python scripts/install_lock.py --lock $(1) --log .venv/pip.log $(2)

# JetPack 5 has Python 3.8, JetPack 6 has 3.10. The vendor's modules are there, and the agent runs there.
TOO_OLD := Get one beside it: conda create -y -p .python python=3.11 && make PYTHON=.python/bin/python. On a board, the \
  vendor Python keeps running what is measured: interpreter: /usr/bin/python3 in config/devices/

.DEFAULT_GOAL := demo
.PHONY: help wheel claims bench-remote bench-observer staleness survival trial-arms demo setup test test-campaign test-toolchain test-ssh test-browser screenshot lint ci-times docs bench bench-plans bench-judge bench-noop bench-scale bench-convert bench-noise bench-interleaving bench-drift bench-interference bench-loadgen bench-replay bench-feasibility bench-simulation lock system-packages browser-packages bench-swaps bench-serving bench-registry bench-history bench-contention wheelhouse bench-sampling test-slurm cluster-demo setup-cluster slurm-packages arm64 arm64-packages test-arm64

# The comment at the top of this file is the only list of targets.
help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

demo: setup
	$(SNAKEMAKE) --profile local

setup: .venv/edgeproof.stamp $(BIN)/edgeproof
	@:

.venv/edgeproof.stamp: envs/edgeproof.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v[:2] < (3, 11) and "edgeproof needs Python 3.11 or newer, and $(PYTHON) is %d.%d. $(TOO_OLD)" % v[:2])'
	@echo 'Installing what envs/edgeproof.lock lists into .venv; this takes one to five minutes.'
	@$(PYTHON) -m venv .venv
	@$(call install,$<,--next '. .venv/bin/activate')
	@$(BIN)/python scripts/settle_environment.py
	@$(BIN)/python -c 'import hashlib, pathlib; print(hashlib.sha256(pathlib.Path("$<").read_bytes()).hexdigest())' > $@

$(BIN)/edgeproof: envs/edgeproof.sh .venv/edgeproof.stamp
	@cp $< $@ && chmod +x $@ && touch $@

.venv/test.stamp: envs/test.lock .venv/edgeproof.stamp
	@echo 'Installing what envs/test.lock lists into .venv; this takes a minute.'
	@$(call install,$<)
	@touch $@

# What the tests need of the system: git for the fresh clone, zsh for completion.
system-packages:
	@command -v git >/dev/null && command -v zsh >/dev/null || { sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq git zsh >/dev/null; }

test: .venv/test.stamp .venv/cluster.stamp system-packages
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup --no-loadscope-reorder -m "not campaign and not toolchain and not ssh and not arm64 and not slurm and not jetson and not browser"

test-campaign: .venv/test.stamp
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m campaign --timeout 3600

test-toolchain: .venv/test.stamp
	$(BIN)/python -m pytest -q -m toolchain --timeout 3600

# The plugin that dispatches to Slurm, in a folder of its own: tests find it there, and `make setup-cluster` lets Snakemake.
.venv/cluster.stamp: envs/cluster.lock .venv/edgeproof.stamp
	@echo 'Installing the Slurm plugin of envs/cluster.lock into .venv/cluster.'
	@rm -rf .venv/cluster
	@awk '/^[a-z]/ {ours = /^snakemake-executor-plugin-slurm/} ours && !/^ *#/' $< > .venv/cluster.txt
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --no-deps --target .venv/cluster \
	  -r .venv/cluster.txt > .venv/pip.log 2>&1 || { cat .venv/pip.log >&2; exit 1; }
	@touch $@

setup-cluster: .venv/cluster.stamp
	@echo ../../../cluster > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/edgeproof-cluster.pth"

# A small Slurm on this machine; no packaged service is started.
slurm-packages:
	@test -x /usr/sbin/slurmctld && test -x /usr/sbin/slurmd && test -x /usr/sbin/munged && command -v srun >/dev/null || { \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get -o APT::Sandbox::User=root update -qq && $$sudo env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
	    slurmctld slurmd slurm-client munge >/dev/null; }

# Its daemons run as root.
test-slurm: .venv/test.stamp .venv/cluster.stamp slurm-packages
	@sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$sudo env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
	  $(BIN)/python -m pytest -q -m slurm --timeout 1500

# A campaign of two boards on a Slurm of two nodes, as the first of those tests runs it, shown as it goes.
cluster-demo: .venv/test.stamp .venv/cluster.stamp slurm-packages
	@sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$sudo env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
	  $(BIN)/python -m pytest -q -s -m slurm --timeout 1500 -k campaign_of_two_boards

# Boards in network namespaces, each with a real sshd; no packaged service is started.
ssh-packages:
	@test -x /usr/sbin/sshd && command -v ssh >/dev/null && command -v ip >/dev/null && \
	  test -e /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 || { sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get -o APT::Sandbox::User=root update -qq && $$sudo env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
	    openssh-server openssh-client iproute2 libfaketime >/dev/null; }

# Namespaces need root, which must be told that the checkout may be another user's.
test-ssh: .venv/test.stamp ssh-packages
	@sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$sudo env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
	  $(BIN)/python -m pytest -q -m ssh --timeout 600

# What twenty true and twenty false claims are answered, in the file that the test writes.
claims: .venv/test.stamp ssh-packages
	@sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$sudo env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' \
	  CLAIMS=20 CLAIMS_DOCUMENT=$(CURDIR)/results/bench/claims.json $(BIN)/python -m pytest -q -m ssh --timeout 3600 -k true_and_false_claims

browser-packages:
	@command -v chromium >/dev/null || { sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq chromium fonts-dejavu-core >/dev/null; }

test-browser: .venv/test.stamp browser-packages
	$(BIN)/python -m pytest -q -m browser --timeout 900

# The first screen of the demo's report, as the README shows it.
screenshot: setup browser-packages
	test -f results/evidence/demo/report.html || $(SNAKEMAKE) --profile local
	chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1280,760 --screenshot=docs/page.png \
	  "file://$(CURDIR)/results/evidence/demo/report.html" 2>/dev/null
	@test $$(stat -c %s docs/page.png) -le 200000 || { echo 'docs/page.png is larger than 200 kB' >&2; exit 1; }


# Two Debian systems for arm64, run by an emulator; no packaged service is started.
arm64-packages:
	@command -v mmdebstrap >/dev/null && command -v proot >/dev/null && command -v qemu-aarch64-static >/dev/null || { \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get -o APT::Sandbox::User=root update -qq && $$sudo env RUNLEVEL=1 apt-get install -y -qq --no-install-recommends \
	    mmdebstrap proot qemu-user-static >/dev/null; }

arm64: setup arm64-packages
	$(BIN)/python scripts/make_userland.py --release bookworm --release bullseye

test-arm64: .venv/test.stamp arm64
	$(BIN)/python -m pytest -q -m arm64 --timeout 600

lint: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/snakefmt --check Snakefile rules
	$(SNAKEMAKE) --profile local --lint

ci-times:
	@test -f .ci/times.tsv || { echo 'no .ci/run has been here yet'; exit 1; }
	@awk -F '\t' 'NR > 1 { seconds = $$3 - $$2; total += seconds; \
	  printf "%-16s %3d min %02d s%s\n", $$1, seconds / 60, seconds % 60, $$4 ? "  failed, exit " $$4 : "" } \
	  END { printf "%-16s %3d min %02d s\n", "in all", total / 60, total % 60 }' .ci/times.tsv

bench: bench-plans bench-judge bench-noop bench-scale

bench-plans: setup
	$(BIN)/python scripts/bench_plans.py

bench-noop: setup
	$(BIN)/python scripts/bench_noop.py

bench-scale: setup
	$(BIN)/python scripts/bench_scale.py

bench-registry: setup
	$(BIN)/python scripts/bench_registry.py

bench-judge: setup
	$(BIN)/python scripts/bench_judge.py

# A toolchain that is not there is not made for this; its presets are left out, and the result says so.
bench-convert: setup
	$(SNAKEMAKE) --profile local results/sources/squeezenet/identity.json results/sources/resnet50/identity.json \
	  results/sources/squeezenet/samples/calibration.npz results/sources/resnet50/samples/calibration.npz \
	  $$(test ! -f results/toolchains/tensorflow.json || echo results/artifacts/squeezenet/saved_model/saved_model.zip)
	$(BIN)/python scripts/bench_convert.py

# What the benchmarks of the method compare with itself.
trial-arms: setup
	$(SNAKEMAKE) --profile local results/artifacts/digits-cnn/ort-cpu/host/fp32/artifact.onnx \
	  results/artifacts/squeezenet/ort-cpu/host/fp32/artifact.onnx \
	  results/sources/digits-cnn/samples/evaluation.npz results/sources/squeezenet/samples/evaluation.npz

bench-noise: trial-arms
	$(BIN)/python scripts/bench_noise.py $(if $(MINUTES),--minutes $(MINUTES))

bench-interleaving: trial-arms
	$(BIN)/python scripts/bench_interleaving.py $(if $(MINUTES),--minutes $(MINUTES))

bench-drift: trial-arms
	$(BIN)/python scripts/bench_drift.py $(if $(MINUTES),--minutes $(MINUTES))

# Otava brings 43 packages, most for cloud databases, so it has an environment of its own.
bench-history: .venv/test.stamp
	$(BIN)/uv venv -q --clear .edgeproof/otava
	$(BIN)/uv pip install -q --python .edgeproof/otava/bin/python apache-otava==0.8.0
	$(BIN)/python scripts/bench_history.py --otava .edgeproof/otava/bin/python

# A preset whose artifacts are not there is left out, and the result says so by not having it.
bench-interference: trial-arms
	$(SNAKEMAKE) --profile local results/artifacts/resnet50/ort-cpu/host/fp32/artifact.onnx \
	  results/sources/resnet50/samples/evaluation.npz
	$(BIN)/python scripts/bench_interference.py $(if $(MINUTES),--minutes $(MINUTES))

bench-loadgen: trial-arms
	$(BIN)/python scripts/make_toolchain.py --toolchain loadgen --lock envs/loadgen.lock \
	  --output results/toolchains/loadgen.json
	$(BIN)/python scripts/bench_loadgen.py

bench-observer: setup
	$(BIN)/python scripts/bench_observer.py

bench-remote: setup
	$(BIN)/python scripts/bench_remote.py

bench-sampling: trial-arms
	$(BIN)/python scripts/bench_sampling.py

bench-replay: setup
	$(BIN)/python scripts/bench_replay.py

bench-feasibility: setup
	$(BIN)/python scripts/bench_feasibility.py

bench-simulation: setup
	$(BIN)/python scripts/bench_simulation.py

bench-contention: setup
	$(BIN)/python scripts/bench_contention.py

bench-swaps: setup
	$(BIN)/python scripts/bench_swaps.py

bench-serving: setup
	$(BIN)/python scripts/bench_serving.py

# What makes what stale, for every key and every file of code: the difference shows what an edit of yours costs.
staleness: setup
	$(BIN)/python scripts/bench_staleness.py

# What is lost, measured again or half-written when runs are killed, the disk is full, or Ctrl-C is pressed twice.
survival: setup
	$(BIN)/python scripts/bench_survival.py

wheel: setup
	@$(BIN)/python scripts/pack_runtime.py

wheelhouse: setup
	@$(BIN)/python scripts/collect_wheels.py $(if $(BOARD),--board $(BOARD))

docs: setup
	$(BIN)/python scripts/document_config.py

lock: setup
	cd envs && for name in edgeproof test cluster tensorflow coreml openvino litert torch loadgen clients verifiers; do \
	  overrides=$$(test -f $$name.overrides && echo --overrides $$name.overrides); \
	  ../$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    $$overrides --custom-compile-command "make lock" $$name.in -o $$name.lock || exit 1; done
	$(BIN)/python scripts/collect_wheels.py --lock
	cd envs && lock_board() { UV_PYTHON_DOWNLOADS=never ../$(BIN)/uv pip compile -q --python ../$(BIN)/python \
	    --python-version $$2 --python-platform aarch64-$$3 --only-binary :all: --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make lock" $$1.in -o $$1.lock; } && \
	  lock_board rpi 3.11 manylinux_2_36 && lock_board board-py38 3.8 manylinux_2_31
	sed -i "s/^# lock: .*/# lock: $$(sha256sum envs/edgeproof.lock | cut -d' ' -f1)/" envs/edgeproof.post-deploy.sh
