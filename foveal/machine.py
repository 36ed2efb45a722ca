"""Where something was measured: numbers of different machines do not compare."""

import os
import platform
from pathlib import Path

from foveal.checkup import installed


def machine(*packages: str) -> str:
    """The machine's name and processor, Python's version and those of the named packages."""
    versions = [f"{name} {installed(name)}" for name in packages]
    return f"{platform.node()}, {_processor()}; python {platform.python_version()}, {', '.join(versions)}"


def _processor() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {_model_name() or platform.machine()}, no GPU used"


def _model_name() -> str:
    """As Linux tells it; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")
