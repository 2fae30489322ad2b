"""Where a training runs: on a processor or GPU, in one process or several. It does not change what is learned."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import torch

from dnastudy.core.errors import SettingsError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ACCELERATOR = "DNASTUDY_ACCELERATOR"
COMPILE = "DNASTUDY_COMPILE"


def accelerator() -> str:
    """Return "cpu" or "cuda": the value of DNASTUDY_ACCELERATOR, or a GPU where there is one."""
    chosen = os.environ.get(ACCELERATOR, "auto")
    if chosen not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"{ACCELERATOR}={chosen}: must be auto, cpu or cuda")
    if chosen == "cuda" and not torch.cuda.is_available():
        raise SettingsError(f"{ACCELERATOR}=cuda, but torch sees no GPU here; leave it out to train on the processor")
    return chosen if chosen != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def device() -> torch.device:
    """Return the device of this process for scoring and sampling."""
    return torch.device(accelerator())


def device_name() -> str | None:
    """Return the name of the GPU in use; None on a processor."""
    return torch.cuda.get_device_name() if accelerator() == "cuda" else None


def compiling() -> bool:
    """Return whether networks are compiled before training (DNASTUDY_COMPILE=1)."""
    return os.environ.get(COMPILE, "") not in ("", "0")


def start_fabric(precision: str) -> Fabric:
    """Return the Fabric of this process: alone, or one of those that ``torchrun`` or ``fabric run`` started."""
    # imported here: it takes longer than torch, and only training needs it
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    layout: dict[str, Any] = {"accelerator": accelerator(), "devices": 1}
    by_fabric = os.environ.get("LT_CLI_USED") == "1"
    if by_fabric:
        layout = {}
    elif "TORCHELASTIC_RUN_ID" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        strategy = DDPStrategy(broadcast_buffers=False)
        layout |= {"devices": local, "num_nodes": int(os.environ["WORLD_SIZE"]) // local, "strategy": strategy}
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it reports the precision
    fabric = Fabric(precision=precision, **layout)
    if not by_fabric:
        fabric.launch()
    if fabric.device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    return fabric


def read_exactly() -> None:
    """Undo the lower precision of matrix products that a training on a GPU allows: scores use full float32."""
    torch.set_float32_matmul_precision("highest")
