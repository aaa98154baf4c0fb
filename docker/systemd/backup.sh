#!/bin/sh
# Usage: backup.sh FOLDER [KEEP]. Makes a backup in FOLDER, named by the time, checks every byte of
# it, and then removes all but the newest KEEP (14). Ends with status 1, and removes nothing, when
# the new one is not good. `gridsight` is taken from PATH, its settings and
# BACKUP_PASSPHRASE_FILE, whose first line encrypts the keys, from the environment.
set -eu
folder=$1
keep=${2:-14}
case $keep in
'' | *[!0-9]* | 0)
  echo "backup.sh: KEEP is a number from 1 on, not '$keep'" >&2
  exit 2
  ;;
esac
made=$folder/gridsight-$(date -u +%Y%m%dT%H%M%SZ)
passphrase=${BACKUP_PASSPHRASE_FILE:-}
if [ -n "$passphrase" ] && [ -s "$passphrase" ]; then
  gridsight backup create "$made" --passphrase-file "$passphrase"
else
  gridsight backup create "$made"
fi
gridsight backup verify "$made"
# Names sort by time. Only what this script made is counted, and removed.
count=$(find "$folder" -mindepth 1 -maxdepth 1 -type d -name 'gridsight-????????T??????Z' | wc -l)
find "$folder" -mindepth 1 -maxdepth 1 -type d -name 'gridsight-????????T??????Z' | sort |
  head -n "$((count > keep ? count - keep : 0))" |
  while IFS= read -r old; do
    rm -r -- "$old"
  done
