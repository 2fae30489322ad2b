"""Where a training runs: processor or GPU, one process or many. No part of what is learned."""

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
    """What trains here, "cpu" or "cuda": what DNASTUDY_ACCELERATOR says, or a GPU where there is one."""
    asked = os.environ.get(ACCELERATOR, "auto")
    if asked not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"{ACCELERATOR}={asked}: must be auto, cpu or cuda")
    if asked == "cuda" and not torch.cuda.is_available():
        raise SettingsError(f"{ACCELERATOR}=cuda, but torch sees no GPU here; leave it out to train on the processor")
    return asked if asked != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def device() -> torch.device:
    """Device of this process for reading and sampling."""
    return torch.device(accelerator())


def device_name() -> str | None:
    """Name of the GPU in use; None on the processor."""
    return torch.cuda.get_device_name() if accelerator() == "cuda" else None


def compiling() -> bool:
    """Whether networks are to be compiled (DNASTUDY_COMPILE=1)."""
    return os.environ.get(COMPILE, "") not in ("", "0")


def start_fabric(precision: str) -> Fabric:
    """Fabric of this process: alone, or one of those that ``torchrun`` or ``fabric run`` has started."""
    # here, as it takes longer to import than torch, and only training needs it
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
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # its news of precision
    fabric = Fabric(precision=precision, **layout)
    if not by_fabric:
        fabric.launch()
    if fabric.device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    return fabric


def read_exactly() -> None:
    """Take back what a training on a GPU allows matrix products: scores are of float32 in full."""
    torch.set_float32_matmul_precision("highest")
