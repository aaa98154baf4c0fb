#!/usr/bin/env bash
# Usage: install_ultralytics.sh VENV. Puts gridsight[ultralytics] and what its tests need into VENV.
# Of torch it takes the build without CUDA where an index offers it, else PyPI's, with CUDA's
# libraries, ten times as large.
set -euo pipefail
pip=("$1/bin/pip" install --quiet --disable-pip-version-check --no-deps)
"${pip[@]}" --require-hashes -r requirements-dev.lock -r requirements-ultralytics.lock
"${pip[@]}" --require-hashes -r requirements-torch-cpu.lock ||
  "${pip[@]}" --require-hashes -r requirements-torch-cuda.lock
"${pip[@]}" --no-build-isolation -e .
