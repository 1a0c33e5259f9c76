# The two commands a reader needs: `make lab` and `make test`. Both set up what is missing.
ifeq ($(OS),Windows_NT)
$(error make needs Linux or macOS, and this is Windows: run it in WSL (wsl --install). Without WSL `import voxlab` works, make and grading do not)
endif

VENV := .venv
BIN := $(VENV)/bin
FRAMEWORKS := .venv-frameworks
AGENTS_JS := build/agents-js
PYTHON ?= $(firstword $(foreach p,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))

# On Linux the usual torch brings gigabytes of CUDA; PyTorch's own index has the CPU build, and
# pip ranks 2.13.0+cpu above 2.13.0. Without that index pip takes what it finds.
# For a CUDA build: make setup TORCH_ARGS=
ifeq ($(shell uname -s),Linux)
TORCH_ARGS ?= --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu
endif

CHROMIUM ?= $(firstword $(foreach b,chromium chromium-browser google-chrome chrome,\
	$(shell command -v $(b))))
BOOK_FILES := README.md CONTRIBUTING.md LICENSE docs exercises findings notebooks/first_call.png \
	data/README.md solutions/README.md solutions/points.toml

.PHONY: setup lab test notebooks browser frameworks clients ray book lint types check clean

setup: $(VENV)/.ready
	@$(BIN)/voxlab models

$(VENV)/.ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "voxlab needs Python 3.11 or newer; set PYTHON=/path/to/it"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --no-deps -c constraints.txt $(TORCH_ARGS) torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[lab,test]'
	$(BIN)/python -m voxlab.models.repair_torchaudio
	@touch $@

lab: setup
	$(BIN)/voxlab lessons
	$(BIN)/jupyter lab --ServerApp.root_dir=. $(LAB_FLAGS) lessons/00_first_call.ipynb

test: setup
	$(BIN)/python -m pytest

notebooks: setup
	$(BIN)/python notebooks/run.py
	@touch build/notebooks/.ready

# In a real browser: needs Chromium or Chrome (CHROMIUM=/path/to/it, or on the PATH).
browser: setup
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[browser]'
	$(BIN)/python notebooks/browser_check.py --out build/browser
	$(BIN)/python notebooks/player_check.py --out build/browser
	$(BIN)/python notebooks/trace_check.py --out build/browser
	$(BIN)/python notebooks/dashboard_check.py --out build/browser
	$(BIN)/python notebooks/lesson_check.py

# LiveKit Agents and Pipecat. Their pins and ours conflict: an environment of their own, where
# `voxlab call --agent livekit` finds them. The tests hold calls in real time.
frameworks: setup $(FRAMEWORKS)/.ready
	$(FRAMEWORKS)/bin/python -m pytest -o addopts=-q -rs tests/test_framework_calls.py

# Workers as actors of a Ray cluster: two nodes on this machine. 240 MB, so no part of the tests'
# environment; a raylet gives up where its agent takes more than 15 s to start.
ray: setup
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[ray]'
	$(BIN)/python -m pytest -n0 -rs tests/test_ray_actors.py

# Realtime clients that other people wrote, in the same environment.
clients: $(FRAMEWORKS)/.ready $(if $(shell command -v npm),$(AGENTS_JS)/.ready)
	VOXLAB_AGENTS_JS=$(AGENTS_JS) $(FRAMEWORKS)/bin/python -m pytest -o addopts=-q -rs \
		tests/test_realtime_clients.py

$(FRAMEWORKS)/.ready: pyproject.toml constraints-frameworks.txt
	$(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install -q --no-compile --no-deps \
		-r constraints-frameworks.txt -e .
	@touch $@

$(AGENTS_JS)/.ready: Makefile
	npm install --silent --no-audit --no-fund --prefix $(AGENTS_JS) \
		@openai/agents-realtime@0.20.0 zod@4.6.7
	@touch $@

# The lessons, documents and exercises as pages that need no network, build/book/index.html, and
# with Chromium each lesson as a PDF. Sphinx reads a copy that lies as the repository does.
book: docs/book/conf.py build/notebooks/.ready
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[book,browser]'
	rm -rf build/book build/book-source
	mkdir -p build/book-source/notebooks
	tar -c $(BOOK_FILES) | tar -x -C build/book-source
	cp docs/book/index.md build/book-source
	cp build/notebooks/[0-9]*.ipynb build/book-source/notebooks
	$(BIN)/sphinx-build -q -W --keep-going $(if $(CHROMIUM),-t pdf) -c docs/book \
		-d build/book-source/.doctrees build/book-source build/book
	$(if $(CHROMIUM),$(BIN)/python notebooks/book_pdf.py,@echo "no Chromium, no PDFs")

docs/book/conf.py:
	@echo "the book is made in the whole repository: $@ is not here, as in a class kit"; exit 1

build/notebooks/.ready: $(shell find notebooks/*.ipynb voxlab data solutions -type f ! -name '*.pyc')
	$(MAKE) notebooks

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb

types: setup
	$(BIN)/mypy

# What CI runs; the tests come last, so that their closing line does.
check: lint types notebooks test

clean:
	rm -rf $(VENV) $(FRAMEWORKS) build out
