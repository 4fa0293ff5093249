"""Whether FAISS works on a GPU, and why: decided here alone. It knows no vectors and no index."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Literal

from mmrag.errors import InvalidSettings

Asked = Literal["auto", "cpu", "gpu"]  # the setting `faiss_device`


@dataclass(frozen=True, slots=True)
class Device:
    """What FAISS does on the first GPU. One question is searched on the CPU, whatever there is.

    builds     the graphs of segments (`cagra`)
    searches   many vectors at once, exactly (`exact.nearest`)
    reason     for a person, after "FAISS 1.15: "
    """

    builds: bool
    searches: bool
    reason: str


def choose(asked: Asked) -> Device:
    """What is done on the GPU of this machine. Raises InvalidSettings where one is asked for in vain."""
    import faiss  # noqa: PLC0415 - heavy: a native library

    return decide(
        asked,
        is_gpu_build=hasattr(faiss, "StandardGpuResources"),
        has_cagra=hasattr(faiss, "GpuIndexCagra"),
        gpus=_usable_gpus(),
    )


def decide(asked: Asked, *, is_gpu_build: bool, has_cagra: bool, gpus: int) -> Device:
    """What is done on one of so many `gpus` by a FAISS that was built like this. Raises as `choose`."""
    if asked == "cpu":
        return _on_the_cpu("the setting faiss_device says so")
    if not is_gpu_build:
        return _without(asked, "this FAISS is built for the CPU only")
    if not gpus:
        return _without(asked, "FAISS finds no GPU that it can use")
    if not has_cagra:
        return Device(
            builds=False,
            searches=True,
            reason="many vectors at once are searched on the GPU; graphs are built on the CPU, because this "
            "FAISS has no CAGRA: the extra gpu-cuvs has it",
        )
    return Device(
        builds=True,
        searches=True,
        reason="graphs are built, and many vectors at once are searched, on the GPU",
    )


def _without(asked: Asked, why: str) -> Device:
    if asked == "gpu":
        raise InvalidSettings(
            f"The setting faiss_device is gpu, but {why}: install the extra gpu-cuvs on a machine with "
            "an NVIDIA GPU and its driver, or set faiss_device to auto."
        )
    return _on_the_cpu(why)


def _on_the_cpu(why: str) -> Device:
    return Device(builds=False, searches=False, reason=f"all on the CPU, because {why}")


def _usable_gpus() -> int:
    """How many GPUs FAISS can use.

    FAISS ends the process where the driver is missing or older than its CUDA. So CUDA, which the
    GPU builds load for all to see, is asked first: it only says no.
    """
    import faiss  # noqa: PLC0415 - heavy: a native library

    if not hasattr(faiss, "StandardGpuResources"):
        return 0
    count = getattr(ctypes.CDLL(None), "cudaGetDeviceCount", None)
    if count is not None and count(ctypes.byref(ctypes.c_int())) != 0:
        return 0
    return int(faiss.get_num_gpus())
