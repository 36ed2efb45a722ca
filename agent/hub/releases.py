"""The checkpoints that the Visual Perception Token paper released, and what each needs of a machine.

Sizes follow from the parameters that the repositories store, two bytes each: Qwen2-VL (2.209 and 8.29 billion;
the small one repeats 0.233 of them as its output layer), the projector, and DINOv2-L (0.304) or SAM-L (0.308).
The commit ids of the repositories are not known to us: the first one met is kept (`agent/hub/pins.py`), and
a profile of your own may name one beforehand.
"""

import re
from dataclasses import dataclass

MAIN = "main"


@dataclass(frozen=True)
class Release:
    """A model repository on the Hugging Face Hub."""

    repository: str
    """Owner and name, as `rp-yu/Qwen2-VL-2b-VPT-CLIP`."""
    revision: str = MAIN
    """A branch or tag, which is followed once and then pinned, or a commit id of 40 digits."""
    parameters: int = 0
    """Parameters stored, in bfloat16; 0 when not known."""

    @property
    def disk(self) -> int:
        """Bytes of the files; 0 when not known."""
        return 2 * self.parameters


RELEASES: dict[str, Release] = {
    "vpt-2b-clip": Release("rp-yu/Qwen2-VL-2b-VPT-CLIP", parameters=2_447_000_000),
    "vpt-2b-dino": Release("rp-yu/Qwen2-VL-2b-VPT-Det", parameters=2_751_000_000),
    "vpt-2b-free": Release("rp-yu/Qwen2-VL-2b-VPT-Det-NoPrompt", parameters=2_751_000_000),
    "vpt-2b-sam": Release("rp-yu/Qwen2-VL-2b-VPT-Seg", parameters=2_760_000_000),
    "vpt-7b-clip": Release("rp-yu/Qwen2-VL-7b-VPT-CLIP", parameters=8_320_000_000),
}
"""By the name of the built-in profile."""
FREE = ("vpt-2b-free",)
"""Those trained without trigger phrases: they decide on their own when to look again."""


_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"


def is_repository(text: str) -> bool:
    """Whether a text may be a repository's name on the Hub: owner/name."""
    return re.fullmatch(f"{_NAME}/{_NAME}", text) is not None and not re.search(
        r"--|\.\.|\.git$", text
    )


def is_revision(text: str) -> bool:
    """Whether a text may be a branch, a tag or a commit id."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/-]*", text) is not None and ".." not in text


def memory(disk: int, device: str) -> int:
    """Bytes that weights of that size on disk, in bfloat16, take on a device: a CPU computes in float32."""
    return disk * (2 if device == "cpu" else 1)


def size(count: float) -> str:
    """Bytes in words, in powers of ten as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
