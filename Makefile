# The project's verbs. Each does its own set-up; `make study` and `make test` need Python 3.11+ and nothing else.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup study test test-fast book bench notebooks picture browser blast clean

help:
	@echo "make study      run the study on simulated genes and build its book (minutes)"
	@echo "make test       run all tests, the notebooks among them"
	@echo "make test-fast  the tests without training, notebooks, browser or real genes (a minute)"
	@echo "make book       build the published book from the committed chapters"
	@echo "make bench      speed beside peers, and how the expert model grows with its data"
	@echo "make notebooks  run the source notebooks in place (after changing them)"
	@echo "make picture    the README's picture of the published book"
	@echo "make clean      remove what was built; the environment too"

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@echo "making the environment in .venv"
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable '.[neural,sweep,homology,book,test,cluster]'
	@touch $@

study: setup
	$(BIN)/dnastudy study --profile quick --cores $(CORES)

test: setup browser blast
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder --nbval --nbval-current-env tests notebooks

# while working: nothing that computes for more than a second
test-fast: setup
	$(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile -m "not slow and not browser and not realdata" tests

book: setup
	$(BIN)/dnastudy book

bench: setup
	$(INSTALL) --editable '.[bench]'
	$(BIN)/python benchmarks/ngram_speed.py
	$(BIN)/python benchmarks/expert_scaling.py --largest 4
	$(BIN)/python benchmarks/neural_speed.py

# the picture in the README, of the published book
picture: book
	$(BIN)/python tests/browser.py _build/html/book/chapters/index.html book/static/book.png

notebooks: setup
	$(BIN)/python -m dnastudy.chapters.refresh

# the browser tests skip with a reason where there is no Chromium
browser:
	@command -v chromium > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null; } \
	  || echo "no Chromium here: the browser tests will be skipped (Debian: apt install chromium)"

# the check of the splits by a second program skips with a reason where there is no BLAST+
blast:
	@command -v blastn > /dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null \
	  && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq ncbi-blast+ > /dev/null; } \
	  || echo "no BLAST+ here: its check of the splits will be skipped (Debian: apt install ncbi-blast+)"

clean:
	rm -rf .venv _build book/static/vendor .snakemake
