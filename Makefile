# A bare machine needs Python 3.11 or later with pip, and make. Every target makes .venv when there is none:
#   make demo                       a pool of real processes survives the death of its master
#   make demo ARGS='--how freeze'   the same, with options of `liveset demo`
#   make test                       everything that a change must pass
#   make verify                     every exploration of the shipped systems, some twenty minutes
#   make coverage                   who has seen each row and state of the shipped specs, some ten minutes
#   make mutants                    what the stories notice when a row is changed; an hour on two cores
#   make test PYTHON=python3.13     .venv made with another interpreter
.DEFAULT_GOAL := test
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BENCH  ?= import

.PHONY: demo test lint check verify coverage mutants pages bench clean

demo: $(STAMP)
	$(BIN)/liveset demo $(ARGS)

# pytest comes last, so that its closing line closes the output.
test: lint check
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/python -m compileall -q fsm hosts tools tests

check: $(STAMP)
	$(BIN)/fsm fmt --check specs
	$(BIN)/fsm check

verify: $(STAMP)
	$(BIN)/python tools/prove

coverage: $(STAMP)
	$(BIN)/fsm coverage --traces tests/traces

mutants: $(STAMP)
	$(BIN)/python tools/mutants $(ARGS)

pages: $(STAMP)
	$(BIN)/python tools/pages

bench: $(STAMP)
	$(BIN)/python tools/bench $(BENCH) $(ARGS)

# The stamp says that what pyproject.toml asks for is installed: a second run installs nothing. An environment
# without pip (Debian keeps ensurepip in a package of its own) is filled by the pip of the interpreter that made it.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "liveset needs Python 3.11 or later and $(PYTHON) is not: say which, as in make test PYTHON=python3.12" >&2; \
	  exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -c 'import venv' || { \
	  echo "$(PYTHON) has no module venv: install it (Debian, Ubuntu: apt-get install python3-venv)" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --version >/dev/null || { \
	  echo "$(PYTHON) has no pip: install it (Debian, Ubuntu: apt-get install python3-pip)" >&2; exit 2; }
	$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
