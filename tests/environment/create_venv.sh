#!/usr/bin/env bash
# Usage: create_venv.sh PYTHON FOLDER. Debian's own python3 comes without ensurepip: fetch it once.
set -euo pipefail
python=$1 folder=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "gridsight needs Python 3.11 or newer; $python is $("$python" --version)" >&2
  exit 1
}
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3-venv
fi
"$python" -m venv "$folder"
