"""A worker that hangs, dies, grows or cannot use its model harms nobody, and says why."""

from __future__ import annotations

import importlib.resources
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.analysis import worker_process
from gateway.analysis.worker_process import WorkerFailed, WorkerProcess
from gateway.settings.analysis import SearchSettings
from search.detectors.loading import DEFAULT_MODEL

FAKE = "tests.gateway.analysis.fake_worker"


def settings(**changes: Any) -> SearchSettings:
    return SearchSettings(**{"patience_s": 5, "memory_bytes_limit": 256 * 1024**2, **changes})


def request(*payloads: bytes) -> dict[str, Any]:
    items = [["unit", [0, payload, 0, 0, True, 1]] for payload in payloads]
    return {"type": "round", "number": 1, "stream": "live", "cameras": [["cam", items]]}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "FIRST_BACK_OFF_S", 0.01)
    monkeypatch.setattr(worker_process, "_MEMORY_EVERY_S", 0.05)


@pytest.fixture
async def worker() -> AsyncIterator[WorkerProcess]:
    made = WorkerProcess("w", settings(), module=FAKE)
    yield made
    await made.close()


async def test_it_is_started_when_it_is_wanted_and_answers(worker: WorkerProcess) -> None:
    assert worker.state == "idle" and worker.process_id is None
    await worker.until_ready()
    assert worker.ready is not None and worker.ready.model == "fake"
    reply = await worker.ask(request(b"picture"))
    assert reply["seen"] == [b"picture"]
    assert worker.memory_bytes > 1024**2


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"hang", "did not answer for 5 s"),
        (b"die", "signal 9"),
        (b"grow", "search.memory_bytes_limit"),
    ],
)
async def test_what_ends_it_is_said_and_another_one_takes_its_place(
    worker: WorkerProcess, payload: bytes, why: str
) -> None:
    gone: list[str] = []
    worker._on_gone = gone.append
    await worker.until_ready()
    before = worker.process_id
    with pytest.raises(WorkerFailed, match=why) as raised:
        await worker.ask(request(payload))
    assert raised.value.died
    await worker.until_ready()
    assert worker.process_id not in (None, before)
    assert worker.restarts == 1
    assert len(gone) == 1 and why in gone[0]
    assert (await worker.ask(request(b"picture")))["seen"] == [b"picture"]
    with pytest.raises(ProcessLookupError):
        os.kill(before or 0, 0)


async def test_one_that_throws_goes_on(worker: WorkerProcess) -> None:
    await worker.until_ready()
    before = worker.process_id
    with pytest.raises(WorkerFailed, match="it threw") as raised:
        await worker.ask(request(b"throw"))
    assert not raised.value.died
    assert worker.message == "it threw"
    await worker.ask(request(b"picture"))
    assert worker.process_id == before and worker.message == ""


async def test_a_model_that_is_refused_is_said_to_be() -> None:
    worker = WorkerProcess("w", settings(detector=Path("/refused")), module=FAKE)
    try:
        with pytest.raises(WorkerFailed, match="this is no detector"):
            await worker.until_ready()
        assert worker.state in ("refused", "starting")
        assert worker.message == "this is no detector"
    finally:
        await worker.close()


async def test_nothing_is_left_running(worker: WorkerProcess) -> None:
    await worker.until_ready()
    process_id = worker.process_id
    assert process_id is not None
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
    with pytest.raises(WorkerFailed):
        await worker.until_ready()


async def test_another_model_is_loaded_when_it_is_named_and_refused_in_words(
    tmp_path: Path,
) -> None:
    night, broken = tmp_path / "night-v2.onnx", tmp_path / "broken.onnx"
    shutil.copy(str(importlib.resources.files("search") / "models" / DEFAULT_MODEL), night)
    broken.write_bytes(b"this is no model")
    models = {"night": night, "broken": broken}
    worker = WorkerProcess("w", SearchSettings(models=models, patience_s=60))
    try:
        await worker.until_ready()
        assert worker.ready is not None
        loaded = await worker.ask({"type": "model", "name": "night"})
        assert loaded["model"] == "night-v2" != worker.ready.model
        for name, why in (("broken", str(broken)), ("day", "there is no day in search.models")):
            with pytest.raises(WorkerFailed, match=f"the model {name} cannot.*{why}") as raised:
                await worker.ask({"type": "model", "name": name})
            assert not raised.value.died
    finally:
        await worker.close()
