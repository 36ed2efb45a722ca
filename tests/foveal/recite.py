"""The command line with a model that recites and a detector that knows two boxes; run as a program by tests.

The model's turns are the lines of the file named by RECITE; a line `!seconds` makes the specialist wait.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foveal.agent.actions import Detect, Perception
from foveal.agent.errors import SpecialistError
from foveal.agent.observations import Box, Detected, Found, Line, Observation, Recognised
from foveal.agent.scripted import ScriptedModel
from foveal.cli import main
from foveal.graphs import agent
from foveal.tools.base import Mark


class Seer:
    """Finds two red cubes, reads what would harm a terminal, and fails at everything else."""

    def __init__(self, wait: float = 0.0) -> None:
        self.wait = wait

    async def dispatch(
        self, action: Perception, image: str, marks: Sequence[Mark] = ()
    ) -> Observation:
        await asyncio.sleep(self.wait)
        os.write(1, b"noise from a library\n")
        if isinstance(action, Detect):
            boxes = [Box(image=image, xyxy=(x, 10, x + 20, 30)) for x in (10, 50)]
            found = [Found(label="red cube", box=box, score=0.93) for box in boxes]
            return Detected(phrase=action.phrase, objects=tuple(found))
        if action.kind == "read":
            box = Box(image=image, xyxy=(0, 0, 40, 10))
            return Recognised(lines=(Line(text="\x1b[31mEXIT", box=box, score=0.9),))
        raise SpecialistError(action.kind, "it is out of order")

    async def close(self) -> None:
        """Nothing was started."""


def recite(turns: Sequence[str]) -> None:
    """Let every agent of this process say these turns."""
    waits = [float(turn[1:]) for turn in turns if turn.startswith("!")]
    spoken = [turn for turn in turns if not turn.startswith("!")]
    stand_in: Any = agent
    stand_in._model = lambda *_: ScriptedModel(spoken, [None] * (len(spoken) - 1) + [0.93])
    stand_in.carrier = lambda *_: Seer(*waits)


if __name__ == "__main__":
    recite(Path(os.environ["RECITE"]).read_text(encoding="utf-8").splitlines())
    sys.exit(main())
