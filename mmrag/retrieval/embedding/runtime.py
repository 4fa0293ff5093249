"""What runs a model, and where a GPU is found without loading PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.ports import Vectors
    from mmrag.retrieval.embedding.model import Task

RuntimeChoice = Literal["auto", "torch", "openvino"]

# Another precision or library must give the vectors of fp32 PyTorch at least up to this cosine, for
# each of PROBES. Two such vectors are at most 1.8 degrees apart, and a cosine with a third moves by
# at most .03 (in practice by .001): less than what separates neighbours. bf16 passes, static int8
# (about .998) does not.
EXACT_ENOUGH = 0.9995

_LONG = (
    "Refunds are paid within a week after the returned device has arrived and was inspected. "
    "Tickets that were opened on a weekend count for the following Monday, 9:00. "
)
PROBES = (
    "How many days of leave do we have?",
    "leave",
    _LONG,
    _LONG * 4,
    _LONG * 40,  # cut at the model's maximum length
    "ERR-4042: snake_case v2.13.0 (μ = 3.5 ± 0.1 °C, −7 %)",
    "退款政策是什么？",
    "Ünïcödé “quotes”, emoji 🙂 and\ttabs\n\n",
    " ",
    "",
)

# Device files of NVIDIA's driver, of Windows' one under WSL, and of AMD's.
_GPU_DEVICES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


class Runtime(Protocol):
    """Embeds texts in batches of its own choice. Safe to share between threads."""

    @property
    def reason(self) -> str:
        """What runs the model and why this was chosen."""
        ...

    def embed(self, texts: Sequence[str], task: Task) -> Vectors:
        """(n, dimension), rows of unit length, in the order of the texts."""
        ...


def may_have_gpu() -> bool:
    """Whether it is worth to load PyTorch and ask it for a GPU."""
    return any(Path(device).exists() for device in _GPU_DEVICES)
