#!/usr/bin/env bash
# A real S3 server on loopback: one Ceph monitor, one OSD in memory, one RADOS gateway.
#   ceph_rgw.sh DIRECTORY S3_PORT MONITOR_PORT
# Debian packages: ceph-mon ceph-osd radosgw. Key "admin", secret "password12". DIRECTORY must be
# new; the processes' ids are left in DIRECTORY/run/*.pid.
set -euo pipefail
directory=$1 port=$2 monitor_port=$3
mkdir -p "$directory"/{mon,osd,run,log,rgw}
cluster_id=$(cat /proc/sys/kernel/random/uuid)
cat > "$directory/ceph.conf" <<CONFIG
[global]
fsid = $cluster_id
mon host = v2:127.0.0.1:$monitor_port
public network = 127.0.0.0/8
keyring = $directory/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
admin socket = $directory/run/\$name.asok
pid file = $directory/run/\$name.pid
log file = $directory/log/\$name.log
run dir = $directory/run
[mon.a]
mon data = $directory/mon
[osd.0]
osd data = $directory/osd
osd objectstore = memstore
memstore device bytes = 1073741824
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$port
rgw data = $directory/rgw
CONFIG
export CEPH_CONF=$directory/ceph.conf
authorize() { ceph-authtool "$directory/keyring" --gen-key -n "$@" > /dev/null; }
ceph-authtool --create-keyring "$directory/keyring" --gen-key -n mon. --cap mon 'allow *' > /dev/null
authorize client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
authorize client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
authorize osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
monmaptool --create --clobber --fsid "$cluster_id" \
    --addv a "[v2:127.0.0.1:$monitor_port]" "$directory/monmap" > /dev/null
ceph-mon --mkfs -i a --monmap "$directory/monmap" --keyring "$directory/keyring"
ceph-mon -i a
timeout 30 ceph osd new "$(cat /proc/sys/kernel/random/uuid)" > /dev/null
osd_id=$(timeout 30 ceph osd dump -f json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["osds"][0]["uuid"])')
ceph-osd -i 0 --mkfs --osd-uuid "$osd_id" 2> /dev/null
ceph-osd -i 0 > /dev/null
timeout 30 ceph osd crush add osd.0 1.0 root=default host=h > /dev/null 2>&1 || true
radosgw -n client.rgw
for _ in $(seq 120); do
    if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then break; fi
    sleep 0.5
done
radosgw-admin user create --uid=test --display-name=test \
    --access-key=admin --secret=password12 > /dev/null
