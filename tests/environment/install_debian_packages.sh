#!/usr/bin/env bash
# Usage: install_debian_packages.sh LIST. Installs what is missing; asks nothing when all is there.
set -euo pipefail
mapfile -t wanted < <(grep -vE '^\s*(#|$)' "$1" | sed 's/\s*#.*//')
missing=()
for package in "${wanted[@]}"; do
  [ "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing for the tests: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# The tests start what they need, on loopback: no package may start a service of its own.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
