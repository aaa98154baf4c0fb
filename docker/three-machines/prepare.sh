#!/bin/sh
# Chooses the laboratory's passwords, once: prepare.sh ADDRESS, by which browsers reach this computer.
set -eu
umask 077
if [ $# -ne 1 ]; then
    echo "usage: $0 ADDRESS    (of this computer, as browsers reach it: 10.1.2.3)" >&2
    exit 2
fi
cd "$(dirname "$0")"
if [ -e .env ]; then
    echo ".env is there already: delete it, and the volumes that know its passwords, to begin anew" >&2
    exit 1
fi

secret() {
    openssl rand -hex 24
}

secret >metrics_token
secret >grafana_password
# Users of the two images: Prometheus' nobody, and Grafana's own.
chown 65534 metrics_token
chown 472 grafana_password
cat >.env.new <<END
LAB_ADDRESS=$1
POSTGRES_PASSWORD=$(secret)
S3_SECRET_KEY=$(secret)
TURN_SECRET=$(secret)
METRICS_TOKEN=$(cat metrics_token)
END
# Last: who finds it finds the others, too.
mv .env.new .env
