#!/usr/bin/env bash
# run_tests.sh PYTEST [thorough]: run the suite, or the longest tests that are no part of it; what
# fails is run once more, alone.
#
# Browsers, players and telephones that others wrote share two cores here, and one that was late is
# no fault of the gateway. A fault fails twice. Both runs are printed, and more than a handful of
# failures is no chance.
set -euo pipefail
pytest=$1
handful=5

mapfile -t longest < <(grep -v '^#' tests/environment/thorough_tests.txt)
if [ "${2:-}" = thorough ]; then
    chosen=("${longest[@]}")
else
    chosen=("${longest[@]/#/--ignore=}")
fi

# Hundreds of processes are started: each would compile what the first has compiled.
unset PYTHONDONTWRITEBYTECODE

status=0
"$pytest" --cache-clear --numprocesses 2 --dist loadfile "${chosen[@]}" || status=$?
[ "$status" -eq 1 ] || exit "$status"

failed=.pytest_cache/v/cache/lastfailed
names=$(grep -oP '^\s*"\K.*(?=": true)' "$failed")
if [ "$(wc -l <<<"$names")" -gt "$handful" ]; then
    exit "$status"
fi
printf '\nFailed beside others, and run once more, alone:\n%s\n\n' "$names"
"$pytest" --last-failed --last-failed-no-failures none "${chosen[@]}"
printf '\nFailed beside others and passed alone:\n%s\n' "$names"
