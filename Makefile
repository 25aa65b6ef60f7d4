PYTHON ?= python

.PHONY: check format slow gallery

check:  ## what CI runs: format, lint, types, tests, doctests, README
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m pytest -n 2

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

slow:  ## every network on every machine, run and verified
	$(PYTHON) -m pytest -n 2 -m slow

gallery:  ## reports/gallery: every view of a few runs
	$(PYTHON) -m accelsim gallery --out reports/gallery
