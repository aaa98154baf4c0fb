"""One machine as its units run it: it serves, is measured, is backed up while it records, and is
made again of that backup elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.deployment.files import DEPLOYMENT, REPOSITORY, tool, unit, unit_environment
from tests.peers.running_gateway import START_TIMEOUT_S, stop

# Somebody without any rights of their own, on every Debian.
NOBODY = 65534
SERVICE = DEPLOYMENT / "systemd" / "gridsight.service"
BACKUP = DEPLOYMENT / "systemd" / "gridsight-backup.service"
PASSPHRASE = "a horse that keeps keys"

_SETTINGS = """
demo = true
[listen]
port = {port}
[store]
path = "/srv/footage"
[recording]
segment_s = 10
[search]
enabled = false
"""


class Machine:
    """What of a machine the units see: ``/etc/gridsight``, the data directory, and so on."""

    def __init__(self, folder: Path, port: int, user: int) -> None:
        self.folder = folder
        self.user = user
        self.state = folder / "state"
        self.backups = folder / "backups"
        self.url = f"http://127.0.0.1:{port}"
        for one in (self.state, self.backups, folder / "footage", folder / "etc"):
            one.mkdir(parents=True)
            os.chown(one, user, user)
        for name, text in (
            ("gridsight.toml", _SETTINGS.format(port=port)),
            ("backup-passphrase", f"{PASSPHRASE}\n"),
        ):
            (folder / "etc" / name).write_text(text)

    def command(self, file: Path, *instead: str) -> tuple[list[str], dict[str, str]]:
        """How to run a unit's ``ExecStart``, or another command in its place."""
        # Files made by others than Python's installer are found by their folder alone.
        given = {"PYTHONPATH": "/opt/gridsight/sources", **unit_environment(file)}
        lines = [f"{name}={value}" for name, value in given.items()]
        (self.folder / "environment").write_text("\n".join(lines))
        asked = list(instead) or shlex.split(unit(file)["ExecStart"][0])
        script = REPOSITORY / "tests" / "deployment" / "as_unit.sh"
        namespace = ["unshare", "--mount", str(script), str(self.folder), str(self.user)]
        return [*namespace, *asked], {
            "PATH": os.environ["PATH"],
            "VENV": sys.prefix,
            "SOURCES": str(REPOSITORY),
        }

    async def run(self, file: Path, *instead: str) -> tuple[int, str]:
        command, environment = self.command(file, *instead)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def gridsight(self, *arguments: str) -> tuple[int, str]:
        return await self.run(SERVICE, "/opt/gridsight/.venv/bin/gridsight", *arguments)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[asyncio.subprocess.Process]:
        command, environment = self.command(SERVICE)
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                said = b""
                while b"running at" not in said:
                    line = await process.stdout.readline()
                    if not line:
                        status = await process.wait()
                        raise AssertionError(f"the gateway ended while starting: {status}")
                    said += line
            yield process
        finally:
            await stop(process)

    async def metrics(self) -> str:
        """What it tells, this machine's requests of a moment ago included."""
        async with aiohttp.ClientSession() as client:
            async with client.get(f"{self.url}/api/system") as response:
                assert response.status == 401
            async with client.get(f"{self.url}/metrics") as response:
                assert response.status == 200, await response.text()
                return await response.text()


def sum_of(text: str, metric: str) -> float:
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric
    )


@pytest.fixture
def machine(tmp_path: Path, free_port: int) -> Machine:
    if os.geteuid() != 0:
        pytest.skip("only root may do what systemd does")
    tool("unshare")
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("there are no mount namespaces here")
    # Where the interpreter or the sources are root's alone, it is root, but without its powers.
    powerless = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
    nobody = ("setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    # What setpriv starts is still found with root's rights; what that starts is not.
    reading = ("env", sys.executable, "-c", f"open({str(SERVICE)!r})")
    trying = subprocess.run([*nobody, *powerless, *reading], check=False, capture_output=True)
    return Machine(tmp_path / "machine", free_port, NOBODY if trying.returncode == 0 else 0)


@pytest.mark.timeout(600)
async def test_it_serves_as_its_unit_is_measured_and_comes_back_of_a_backup_made_meanwhile(
    machine: Machine, tmp_path: Path
) -> None:
    async with machine.serving() as process:
        text = ""
        async with asyncio.timeout(180):
            # Seen from outside: that it records and stores.
            while not (
                sum_of(text, "gridsight_recorders_running") == 4
                and sum_of(text, "gridsight_uploaded_segments_total") >= 4
            ):
                await asyncio.sleep(0.5)
                text = await machine.metrics()
        status, said = await machine.gridsight("health")
        assert status == 0, said
        # Twice at least, so that the one before is removed.
        for _ in range(2):
            status, said = await machine.run(BACKUP, *backup_command(keep=1))
            assert status == 0, said
        (backup,) = machine.backups.iterdir()
        assert (backup / "secrets.sealed").exists()
        process.terminate()
        assert await process.wait() == 0
    status, said = await machine.gridsight("health")
    assert (status, "does not answer" in said) == (1, True)

    # Elsewhere: an empty data directory, and the same store.
    machine.state.rename(tmp_path / "lost")
    machine.state.mkdir()
    os.chown(machine.state, machine.user, machine.user)
    inside = f"/var/backups/gridsight/{backup.name}"
    passphrase = ("--passphrase-file", "/etc/gridsight/backup-passphrase")
    status, said = await machine.gridsight("backup", "restore", inside, *passphrase)
    assert status == 0, said
    for arguments in (("audit", "verify"), ("check", "--verify")):
        status, said = await machine.gridsight(*arguments)
        assert status == 0, said
    with contextlib.closing(sqlite3.connect(machine.state / "gridsight.db")) as database:
        ((segments,),) = database.execute("SELECT count(*) FROM segments")
        ((cameras,),) = database.execute("SELECT count(*) FROM cameras")
    assert (segments >= 4, cameras) == (True, 4)


def backup_command(keep: int) -> list[str]:
    return [*shlex.split(unit(BACKUP)["ExecStart"][0]), str(keep)]
