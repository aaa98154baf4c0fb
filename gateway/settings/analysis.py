"""How cameras' pictures are searched for people and vehicles, and what that may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.settings.section import Section

ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]

OWN_DETECTOR = "nanodet_g_qdq"
"""What is found by the model that comes along carries this name."""


class SearchSettings(Section):
    """Analysis of live pictures and of recorded footage, for search.

    ``detector``, ``appearance``: ONNX files (or what ``gridsight[ultralytics]`` reads); without
    them, what the gateway brings along. Cameras are divided among ``workers`` processes, each of
    which computes with ``threads`` threads, takes at most ``cpu_percent`` of their time, and is
    ended when it holds more than ``memory_bytes_limit``, or has not answered for ``patience_s``.
    What waits of a camera's pictures takes at most ``waiting_bytes_of_camera``, of all of them
    ``waiting_bytes_limit``, and waits ``waiting_s``; more is dropped, the oldest first, and looked
    for in recorded footage of the last ``make_up_hours``. ``models``: further detectors by name,
    for recorded footage that somebody asks to be looked through by one of them.
    """

    enabled: bool = True
    detector: Path | None = None
    models: dict[ModelName, Path] = Field(default={}, max_length=16)
    appearance: Path | None = None
    score: float | None = Field(default=None, gt=0, lt=1)
    provider: Literal["auto", "cpu", "cuda", "tensorrt", "openvino"] = "auto"
    workers: int = Field(default=1, ge=1, le=64)
    threads: int = Field(default=1, ge=1, le=64)
    cpu_percent: int = Field(default=100, ge=5, le=100)
    memory_bytes_limit: int = Field(default=2 * 1024**3, ge=256 * 1024**2)
    patience_s: float = Field(default=30.0, ge=5, le=600)
    moving_fps: float = Field(default=5.0, gt=0, le=30)
    keyframes_only: bool = False
    waiting_s: float = Field(default=60.0, ge=5, le=3600)
    waiting_bytes_of_camera: int = Field(default=4 * 1024**2, ge=256 * 1024)
    waiting_bytes_limit: int = Field(default=256 * 1024**2, ge=1024**2)
    store_every_s: float = Field(default=5.0, ge=0.5, le=300)
    lag_alarm_s: float = Field(default=300.0, ge=10)
    make_up_hours: float = Field(default=24.0, ge=0, le=24 * 90)

    @model_validator(mode="after")
    def _tells_models_apart(self) -> Self:
        # What is found carries the file's name, without its ending.
        own = OWN_DETECTOR if self.detector is None else self.detector.stem
        stems = [own, *(one.stem for one in self.models.values())]
        twice = next((one for one in stems if stems.count(one) > 1), None)
        if twice is not None:
            raise ValueError(
                f"two model files are called {twice}: what each finds could not be told apart;"
                " rename one"
            )
        return self
