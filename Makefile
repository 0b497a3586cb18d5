# `make` alone lists the targets. Everything runs in an environment of its own, made on first use.
PYTHON ?= python3
VENV := .venv
# Quoted: the folder that it lies in may have spaces in its name.
BIN := "$(CURDIR)/$(VENV)/bin"
READY := $(VENV)/.ready
BOOK := _build/html

# Colab runs Python 3.13: on the PATH, or among pyenv's.
COLAB_PYTHON ?= $(shell python3.13 -c "import sys; print(sys.executable)" 2>/dev/null \
	|| ls "$$(pyenv root 2>/dev/null)"/versions/3.13.*/bin/python3.13 2>/dev/null | tail -n 1)
COLAB_VENV := .venv-colab
COLAB_READY := $(COLAB_VENV)/.ready

# A copy of CIFAR-10 that lies beside the checkout is unpacked once and used; nothing needs it.
COPY := ../shared/cifar10
# (A make within this one has been told of it already.)
ifeq ($(filter-out $(CURDIR)/.data,$(CNNLIB_DATA))$(CNNLIB_DATASET),)
ifneq ($(wildcard $(COPY)/unpack.py),)
export CNNLIB_DATA := $(CURDIR)/.data
DATA := .data/cifar-10-batches-py/batches.meta
endif
endif

NBVAL := --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -p no:cacheprovider

.DEFAULT_GOAL := help
.PHONY: help book serve lab test package execute notebooks student grade test-colab set-repo new-chapter lint format record bench bench-training clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f'The course needs Python 3.11 to 3.13, and $(PYTHON) is {v[0]}.{v[1]}. Try: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

$(DATA): | $(READY)
	$(BIN)/python $(COPY)/unpack.py .data

book: $(READY) $(DATA)  ## execute the chapters and build the HTML book
	$(BIN)/jupyter-book build . -W --keep-going
	@echo "The book: $(CURDIR)/$(BOOK)/index.html    (make serve opens it on localhost)"

serve: book  ## build the book and serve it on localhost:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory $(BOOK) 8000

lab: $(READY) $(DATA)  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

# What looks at the built book. All other tests can run while its last chapters are executed.
ON_PAGES := $(patsubst %,tests/test_%.py,firefox pages cheat_sheet)
PYTEST := $(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder --durations=20

test: lint  ## run every test
	$(BIN)/pytest tests/test_pairs.py  # before a stale notebook is executed
	@$(MAKE) --no-print-directory --jobs 2 book execute package
	$(PYTEST) $(ON_PAGES)

package: $(READY)  ## test the package, its calculators and its tools
	$(PYTEST) tests $(patsubst %,--ignore %,tests/test_pairs.py $(ON_PAGES))

execute: $(READY)  ## execute the notebooks on Shapes-10
	CNNLIB_DATASET=shapes10 CNNLIB_SCALE=ci $(BIN)/pytest $(NBVAL) -n 2 --dist loadscope notebooks

notebooks: $(READY)  ## make notebooks/ from book/
	$(BIN)/python tools/notebooks.py

student: notebooks  ## what a class gets, made anew in student/: the package and the notebooks without solutions
	rm -rf student build
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir student .
	$(BIN)/jupyter nbconvert --to notebook --output-dir student --TagRemovePreprocessor.enabled=True \
		--TagRemovePreprocessor.remove_cell_tags=solution \
		--TagRemovePreprocessor.remove_cell_tags=remove-cell notebooks/*.ipynb

grade: $(READY)  ## FILES="a.ipynb b.ipynb": run what comes back, list each exercise and what became of it
	CNNLIB_DATASET=shapes10 CNNLIB_SCALE=ci $(BIN)/python tools/grade.py $(FILES)

$(COLAB_READY): tests/colab-constraints.txt pyproject.toml
	@test -n "$(COLAB_PYTHON)" || { echo "Colab runs Python 3.13, which is not here. Install it, or name it: make test-colab COLAB_PYTHON=..."; exit 1; }
	$(COLAB_PYTHON) -m venv $(COLAB_VENV)
	$(COLAB_VENV)/bin/python -m pip install --disable-pip-version-check -r tests/colab-constraints.txt -e . -c tests/colab-constraints.txt nbval pytest-xdist
	@touch $@

test-colab: $(COLAB_READY)  ## execute every chapter under Colab's versions
	CNNLIB_DATASET=shapes10 CNNLIB_SCALE=ci $(COLAB_VENV)/bin/pytest $(NBVAL) -n 2 --dist loadscope notebooks

set-repo: $(READY)  ## URL=https://github.com/OWNER/NAME: set the course's public address (URL=none: take it away)
	$(BIN)/python tools/set_repo.py "$(URL)"
	$(BIN)/python tools/notebooks.py

new-chapter: $(READY)  ## NAME=17-mobilenet TITLE="MobileNet": begin a chapter from the template
	$(BIN)/python tools/new_chapter.py "$(NAME)" "$(TITLE)"

lint: $(READY)  ## check the Python code's style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## mend the Python code's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

record: $(READY) $(DATA)  ## NET=baseline SEED=0 RECIPE=better: train on all of CIFAR-10 and record the run
	$(BIN)/python tools/record.py $(NET) --seed $(or $(SEED),0) $(if $(RECIPE),--recipe $(RECIPE))

bench: $(READY)  ## measure: import times, the calculators' bytes, time to interactive, script time a step, the nets in the page
	$(BIN)/python benchmarks/library.py
	$(BIN)/python benchmarks/page.py
	$(BIN)/python benchmarks/page_live.py

bench-training: $(READY)  ## measure: how fast the nets train and answer, against the notes' code (10 minutes)
	$(BIN)/python benchmarks/training.py $(NET)

clean:  ## throw away what was built (not the environment, not the data)
	rm -rf _build student
