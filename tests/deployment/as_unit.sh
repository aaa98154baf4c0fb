#!/usr/bin/env bash
# Usage: unshare --mount as_unit.sh FOLDER USER COMMAND...
# Runs a unit's command as systemd would: as its user, with the unit's environment alone (given by
# FOLDER/environment), with no rights to gain, and nothing but the unit's folders writable. VENV and
# SOURCES say what lies in /opt/gridsight; FOLDER holds etc, state, footage and backups.
set -euo pipefail
folder=$1 user=$2
shift 2
mount --make-rprivate /
# Tests have their files below /tmp: it stays as it is, and writable.
mount --bind /tmp /tmp
mount -t tmpfs none /opt
install -d /opt/gridsight/.venv /opt/gridsight/docker /opt/gridsight/sources
mount --bind "$VENV" /opt/gridsight/.venv
mount --bind "$SOURCES" /opt/gridsight/sources
mount --bind "$SOURCES/docker" /opt/gridsight/docker
mount -t tmpfs none /srv
mkdir /srv/footage
mount --bind "$folder/footage" /srv/footage
mount -t tmpfs none /var/lib
mkdir /var/lib/gridsight
mount --bind "$folder/state" /var/lib/gridsight
mount -t tmpfs none /var/backups
mkdir /var/backups/gridsight
mount --bind "$folder/backups" /var/backups/gridsight
rm -rf "$folder/etc-copy"
cp -a /etc "$folder/etc-copy"
install -d "$folder/etc-copy/gridsight"
cp -a "$folder/etc/." "$folder/etc-copy/gridsight/"
mount --bind "$folder/etc-copy" /etc
for read_only in / /opt /opt/gridsight/.venv /opt/gridsight/sources /opt/gridsight/docker /etc /srv; do
  mount -o remount,bind,ro "$read_only"
done
cd /var/lib/gridsight
umask 077
mapfile -t environment <"$folder/environment"
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \
  --bounding-set=-all --inh-caps=-all --ambient-caps=-all \
  env -i "${environment[@]}" "$@"
