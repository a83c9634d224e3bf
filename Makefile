# Everything a developer or a curious reader runs. Needs make and Python 3.11 or newer; uv is fetched where it is missing.
# What stands after `##` is the help text.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-long lint format bench docs reference dashboards pictures environment

# A Python of this machine is used; none is downloaded behind your back.
export UV_PYTHON_PREFERENCE := only-system
# An environment that happens to be active in the calling shell is not ours to change.
unexport VIRTUAL_ENV

# Registries are trusted as this machine trusts them (a company's mirror has a certificate of its own); where the machine
# keeps no certificates at all, uv falls back to those that it carries.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= 1
endif

TOOLS := .venv-tools
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo $(TOOLS)/bin/uv)
RUN := $(UV) run --frozen --no-sync

# A user without a home (as in many containers) keeps the cache here.
ifneq ($(shell test -w "$$HOME" && echo writable),writable)
export UV_CACHE_DIR ?= $(CURDIR)/$(TOOLS)/cache
export PIP_NO_CACHE_DIR ?= 1
endif

PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$python"; break; }; done)

# Tests at the same time. Half of their time is waiting for processes, so there may be one more than most machines have cores.
SIDE_BY_SIDE ?= 3

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: environment ## Play a real incident on this machine (ARGS=--once to end with the story)
	$(RUN) receiver demo $(ARGS)

test: environment ## Run every test (ARGS="-k webhook" for some)
	$(RUN) pytest --numprocesses $(SIDE_BY_SIDE) --dist worksteal $(ARGS)

test-long: environment ## Run the model-based tests, the storm and the deaths at length (some hours), with what they print
	RECEIVER_LONG_TESTS=1 $(RUN) pytest -rP tests/integration/store/test_model.py tests/integration/pipeline/test_storm.py \
		tests/integration/pipeline/test_waiting.py tests/integration/pipeline/test_deaths.py \
		tests/integration/pipeline/test_runaway.py tests/integration/pipeline/test_outbox_storm.py \
		tests/acceptance/test_paused_worker.py tests/acceptance/test_takeover.py $(ARGS)

lint: environment ## Check style, format, types and the direction of imports; changes nothing
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	$(RUN) lint-imports

format: environment ## Put the code into its format, and repair what ruff can repair
	$(RUN) ruff format
	$(RUN) ruff check --fix

bench: environment ## Measure intake and history as ratios, in one run of some minutes (ARGS="deliveries --seconds 3" for a part)
	$(RUN) python -m tests.bench $(ARGS)

docs: environment ## Check that the documentation is true, and make it a site in site/html
	$(RUN) pytest tests/architecture/test_docs.py tests/architecture/test_reference.py
	$(RUN) python -m tests.handbook site

reference: environment ## Write docs/reference anew from the code: commands, settings, playbooks, API, metrics
	$(RUN) python -m tests.handbook reference

dashboards: environment ## Write the dashboards of Grafana anew from deploy/grafana
	$(RUN) python -m deploy.grafana

pictures: environment ## Make the pictures in docs/images anew, from the blocks that are sent and the demo (needs Chromium)
	$(RUN) python -m tests.pictures

# The environment follows the lock file, to the letter. The first time is seen, the later ones are milliseconds.
environment: $(if $(findstring /,$(UV)),$(UV))
ifeq ($(PYTHON),)
	@echo "Receiver needs Python 3.11 or newer, and none was found on the PATH. Install one (Debian: apt install python3 python3-venv) and run make again." >&2
	@exit 1
endif
	@$(UV) sync --frozen $(if $(wildcard .venv),--quiet)

# A Python without venv or pip (Debian splits them off) is said so in one line, not in a stack trace.
$(TOOLS)/bin/uv:
ifneq ($(PYTHON),)
	@echo "uv is not installed: fetching it into $(TOOLS)/"
	@$(PYTHON) -m venv $(TOOLS) >/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. Install its venv module (Debian: apt install python3-venv) or uv, and run make again." >&2; \
		rm -rf $(TOOLS); exit 1; }
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv
endif
