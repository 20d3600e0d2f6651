# The two commands are `make demo` and `make test`; everything else is a part of one of them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MDS := .venv-mds
MINUTES ?= 5
OUTPUT ?= runs/demo
PHOTOS ?=

# Containers often set it; then each of the processes that tests start would read our sources as text again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lint format types imports kernels bench clean

demo: $(VENV)/.ready
	$(BIN)/python examples/one_day.py $(if $(PHOTOS),--photos "$(PHOTOS)") --minutes $(MINUTES) --output "$(OUTPUT)"

test: $(VENV)/.ready $(MDS)/.ready
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not alone"
	$(BIN)/python -m pytest -m alone

check: lint types imports test

lint: $(VENV)/.ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: $(VENV)/.ready
	$(BIN)/mypy packages examples tests benchmarks conftest.py

imports: $(VENV)/.ready
	$(BIN)/lint-imports --no-cache

# Which curations would compile when they begin. On CI the core is free for it that mypy leaves.
kernels: $(VENV)/.ready
	$(BIN)/python -c "from prx_data.kernels import compile_all; compile_all()"

bench: $(VENV)/.ready
	$(BIN)/python benchmarks/background_auc.py ../shared/images
	$(BIN)/python benchmarks/frames.py ../shared/images
	$(BIN)/python benchmarks/measuring.py ../shared/images
	$(BIN)/python benchmarks/measuring_memory.py ../shared/images
	$(BIN)/python benchmarks/decode_side.py ../shared/images
	$(BIN)/python benchmarks/resolution_auc.py ../shared/images
	$(BIN)/python benchmarks/fuzz_decoding.py ../shared/images
	$(BIN)/python benchmarks/duplicates.py ../shared/images
	$(BIN)/python benchmarks/clutter.py ../shared/images
	$(BIN)/python benchmarks/join.py
	$(BIN)/python benchmarks/caption_checks.py ../shared/images
	$(BIN)/python benchmarks/agreement.py
	$(BIN)/python benchmarks/captioning.py ../shared/images
	$(BIN)/python benchmarks/clusters.py
	$(BIN)/python benchmarks/embedding.py ../shared/images/phone
	$(BIN)/python benchmarks/shades.py ../shared/images
	$(BIN)/python benchmarks/precision.py

clean:
	rm -rf $(VENV) $(MDS) runs .mypy_cache .pytest_cache .ruff_cache

# pip and not uv, so that Python and make are all that a fresh machine needs; `uv sync` reads the same files.
$(VENV)/.ready: pyproject.toml constraints.txt packages/prx-data/pyproject.toml packages/prx-train/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and $(PYTHON) is older: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable "packages/prx-data[aesthetic,captions-local,captions-server,clip,hub,http,matte,nsfw,text]" --editable "packages/prx-train[minilm,lora,tensorboard]" --group dev
	touch $@

# mosaicml-streaming, which reads our MDS in a test, pins older versions of much that the tests use. So it has an
# environment of its own, without what it pins: of that it imports torch, numpy and tqdm, and sees those of $(VENV).
$(MDS)/.ready: $(VENV)/.ready
	$(BIN)/python -m venv --clear --without-pip $(MDS)
	$(BIN)/python -m pip --python $(MDS) install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --no-deps mosaicml-streaming brotli catalogue cramjam python-snappy zstd
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$($(MDS)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/venv.pth"
	touch $@
