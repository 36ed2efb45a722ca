"""Any vision chat model of the Hugging Face Hub as a perception model: nothing is trained, nothing is sent away.

It is loaded by the auto classes of transformers and spoken to in its own chat template. What it can do stands in
its system prompt; how it asks for it is the grammar's spelling, in ordinary characters, and masked.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from foveal.agent.chat.context import Network
from foveal.agent.chat.family import Family, family_of
from foveal.agent.chat.loading import Loaded, load
from foveal.agent.chat.mask import Masks
from foveal.agent.chat.pictures import picture
from foveal.agent.chat.prompt import Addition, Message
from foveal.agent.chat.session import ChatSession
from foveal.agent.chat.writer import Afresh, Growing, Writer
from foveal.agent.coordinates import Convention, Size
from foveal.agent.model import Sight
from foveal.agent.transcript import Acted, Asked, Noted, Observed

T = TypeVar("T")


class ChatModel:
    """A vision chat model; its sessions take turns in one thread."""

    def __init__(
        self,
        loaded: Loaded,
        family: Family,
        name: str = "chat",
        convention: Convention | None = None,
        system: str = "",
    ) -> None:
        """`convention` replaces the family's; `system` is said before the manual of the actions."""
        self.name, self.family, self.system = name, family, system
        self.convention: Convention = convention or family.convention
        self.processor = loaded.processor
        self.tokenizer = loaded.processor.tokenizer
        self.network = Network(loaded.network, family)
        self.masks = Masks(self.tokenizer, loaded.ends)
        self._special = re.compile("|".join(map(re.escape, loaded.special)) or r"(?!)")
        self._thread = ThreadPoolExecutor(1, "foveal-chat")

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        device: str = "cpu",
        name: str = "chat",
        family: str | None = None,
        convention: Convention | None = None,
        system: str = "",
    ) -> "ChatModel":
        """Load a model folder as the Hub has it. `family` names the one that it is like, for a relative.

        Raises SetupError when it is not intact or no vision chat model, InputError for an unknown family.
        """
        loaded = load(folder, device)
        kind = family_of(loaded.network.config.model_type, family)
        return cls(loaded, kind, name, convention, system)

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> ChatSession:
        """A session that has computed the whole transcript."""
        session = ChatSession(self, list(transcript), sight)
        await session.catch_up()
        return session

    async def aclose(self) -> None:
        """End its thread; its sessions cannot go on."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Do something in the model's thread, after whoever was there first."""
        future = self._thread.submit(_inferred, work, arguments)
        return await asyncio.wrap_future(future)

    def writer(self) -> Writer:
        """For a new conversation."""
        kind = Growing if self.family.continues else Afresh
        return kind(self.network, self.process)

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt for the next turn, in the model's own template."""
        prompt: str = self.processor.apply_chat_template(
            list(messages), add_generation_prompt=True, tokenize=False
        )
        return prompt

    def plain(self, text: str) -> str:
        """Text in which no special token is spelled, whatever an image or a user wrote."""
        return self._special.sub(lambda token: f"{token[0][:1]} {token[0][1:]}", text)

    def ids(self, text: str) -> list[int]:
        """Token ids of text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def process(self, addition: Addition) -> Mapping[str, Any]:
        """Words and pictures as tensors; each placeholder becomes as many tokens as its picture has."""
        made: Mapping[str, Any] = self.processor(
            text=[addition.text],
            images=[picture(pixels) for pixels in addition.pictures] or None,
            return_tensors="pt",
            add_special_tokens=addition.begins and not self._begun(addition.text),
        )
        return made

    def _begun(self, prompt: str) -> bool:
        """Whether a template writes the token that begins a text itself."""
        begin = self.tokenizer.bos_token
        return begin is not None and prompt.startswith(begin)

    def shown(self, pixels: NDArray[np.uint8]) -> Size:
        """Width and height that the model sees a picture in; only conventions that count pixels ask."""
        height, width = pixels.shape[:2]
        if self.convention != "pixels":
            return width, height
        images = self.processor.image_processor
        grid = images(images=[picture(pixels)], return_tensors="pt").get("image_grid_thw")
        if grid is None:
            return width, height
        return int(grid[0][2]) * images.patch_size, int(grid[0][1]) * images.patch_size


def _inferred(work: Callable[..., T], arguments: Sequence[Any]) -> T:
    import torch

    with torch.inference_mode():
        return work(*arguments)
