"""Opening an ONNX file with onnxruntime: where it runs, by how many threads, and why it will not.

The providers are those of the onnxruntime that is installed: the ordinary one has the CPU alone,
``onnxruntime-gpu`` CUDA and TensorRT, ``onnxruntime-openvino`` OpenVINO.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from search.detectors.interface import DetectionFailed, ModelRefused

LARGEST_FILE_BYTES = 1 << 30
"""No detector is as large; a file that is, is something else."""

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_AUTOMATIC = ("cuda", "openvino", "cpu")
"""Best first. Not TensorRT: it builds an engine for minutes, which one must ask for."""
_PACKAGES = {
    "cuda": "onnxruntime-gpu",
    "tensorrt": "onnxruntime-gpu",
    "openvino": "onnxruntime-openvino",
}
_FATAL_ONLY = 4


@dataclass(frozen=True, slots=True)
class Session:
    """An opened model of one input. ``shape`` as declared: names or None where it is open."""

    name: str
    provider: str
    shape: tuple[int | str | None, ...]
    half: bool
    """Takes 16-bit floating point numbers."""
    metadata: dict[str, str]
    _runtime: Any
    _input: str

    def run(self, pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """All outputs as float32. Raises DetectionFailed when the model fails."""
        given = pictures.astype(np.float16) if self.half else pictures
        try:
            outputs = self._runtime.run(None, {self._input: given})
            return [np.asarray(output).astype(np.float32, copy=False) for output in outputs]
        except Exception as error:  # whatever the runtime and its providers raise
            raise DetectionFailed(f"{self.name} failed on {self.provider}: {_short(error)}") from (
                error
            )


def available() -> tuple[str, ...]:
    """The names of the providers that the installed onnxruntime has, best first."""
    present = set(onnxruntime.get_available_providers())
    return tuple(name for name in ("tensorrt", *_AUTOMATIC) if _PROVIDERS[name] in present)


def open_session(model: Path, *, threads: int, provider: str) -> Session:
    """Open a file; raises ModelRefused for what is no usable model, or no such provider.

    ``provider``: one of ``cpu``, ``cuda``, ``tensorrt``, ``openvino``, which then runs it or
    nothing does; ``auto`` takes the best that works.
    """
    check_file(model)
    refusal: ModelRefused | None = None
    for choice in _choices(provider):
        try:
            return _open(model, threads, choice)
        except ModelRefused as error:
            refusal = error
    assert refusal is not None
    raise refusal


def _choices(provider: str) -> Sequence[str]:
    present = available()
    if provider == "auto":
        return [name for name in _AUTOMATIC if name in present]
    if provider not in _PROVIDERS:
        raise ModelRefused(
            f"no provider is called {provider!r}: choose auto, {', '.join(_PROVIDERS)}"
        )
    if provider not in present:
        raise ModelRefused(
            f"this onnxruntime has no {provider} provider, only: {', '.join(present)}; "
            f"install {_PACKAGES.get(provider, 'onnxruntime')} instead of it, or choose auto"
        )
    return [provider]


def check_file(model: Path) -> None:
    try:
        size = model.stat().st_size
        regular = model.is_file()
    except (OSError, ValueError) as error:
        raise ModelRefused(f"{model}: cannot be read: {error}") from error
    if not regular:
        raise ModelRefused(f"{model}: is no file; name the .onnx file itself")
    if size == 0:
        raise ModelRefused(f"{model}: is empty; copy it again")
    if size > LARGEST_FILE_BYTES:
        raise ModelRefused(
            f"{model}: {size >> 20} MiB is too large for a detector (at most "
            f"{LARGEST_FILE_BYTES >> 20} MiB); export a smaller one"
        )
    if not os.access(model, os.R_OK):
        raise ModelRefused(f"{model}: may not be read by this user; check its rights")


def _open(model: Path, threads: int, choice: str) -> Session:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    # Threads that spin while they wait take the cores from recording and live view.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI the quick products of 8-bit numbers overflow, and a bus becomes a truck.
    options.add_session_config_entry("session.x64quantprecision", "1")
    if choice == "openvino":
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    if choice in ("cuda", "tensorrt") and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    wanted: list[Any] = [(_PROVIDERS[choice], _provider_options(choice, threads))]
    if choice == "tensorrt":
        wanted.append(_PROVIDERS["cuda"])
    if choice in ("cuda", "tensorrt"):
        wanted.append(_PROVIDERS["cpu"])  # for the few steps that they leave to it
    try:
        runtime = onnxruntime.InferenceSession(
            str(model), options, providers=wanted, enable_fallback=0
        )
        inputs = runtime.get_inputs()
        metadata = dict(runtime.get_modelmeta().custom_metadata_map)
    except Exception as error:  # the runtime's own errors share no base class
        raise ModelRefused(
            f"{model}: onnxruntime cannot open it on {choice} (no ONNX file, cut off, or made of "
            f"what this version does not know): {_short(error)}"
        ) from error
    if _PROVIDERS[choice] not in runtime.get_providers():
        raise ModelRefused(
            f"{model}: the {choice} provider did not start (driver or libraries missing?); "
            "choose auto or cpu"
        )
    if len(inputs) != 1 or inputs[0].type not in ("tensor(float)", "tensor(float16)"):
        given = ", ".join(f"{one.name} {one.type}{_shape_text(one.shape)}" for one in inputs)
        raise ModelRefused(
            f"{model}: is no detector of pictures: expected one input of floating point numbers "
            f"[pictures, 3, height, width], found {given or 'none'}"
        )
    half = inputs[0].type == "tensor(float16)"
    shape = tuple(inputs[0].shape)
    return Session(model.stem, choice, shape, half, metadata, runtime, inputs[0].name)


def _provider_options(choice: str, threads: int) -> dict[str, str]:
    if choice == "tensorrt":
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        folder = Path(root) / "gridsight" / "tensorrt"
        folder.mkdir(parents=True, exist_ok=True)
        return {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(folder)}
    if choice == "cuda":
        # Else each new number of pictures begins with a search for the fastest algorithms.
        return {"cudnn_conv_algo_search": "HEURISTIC"}
    if choice == "openvino":
        return {"device_type": _openvino_device(), "num_of_threads": str(threads)}
    return {}


def _openvino_device() -> str:
    """An Intel GPU where there is one. Not ``AUTO``: with it all of a model may run on
    onnxruntime's own CPU provider, and nothing says so."""
    try:
        devices = onnxruntime.capi._pybind_state.get_available_openvino_device_ids()
    except (AttributeError, RuntimeError):
        return "CPU"
    return "GPU" if any(device.startswith("GPU") for device in devices) else "CPU"


def _shape_text(shape: Sequence[object]) -> str:
    return f"[{', '.join('?' if one is None else str(one) for one in shape)}]"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."
