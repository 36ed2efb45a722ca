"""Where the visual tokens of training pictures lie, kept beside the weights that make them.

python -m foveal.training.familiarity --weights FOLDER --scenes .scenes_cache --count 4000
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from foveal.agent.native.familiarity import FAMILIARITY, Familiarity, pool
from foveal.agent.weights import save_state
from foveal.training.glimpses import content, grid_of, picture
from foveal.training.scenes import CACHE, Scenes, load
from foveal.training.tower import tokens

MOST = 6000
"""Pictures that are enough."""


def write(tower: Any, scenes: Scenes, out: Path, most: int = MOST) -> None:
    """Measure the first scenes, nine in ten to learn where they lie and the rest to see how far that reaches."""
    pooled = np.stack([seen(tower, scenes, number) for number in range(min(most, len(scenes)))])
    held = np.arange(len(pooled)) % 10 == 9
    made = Familiarity.fitted(pooled[~held], pooled[held] if held.any() else pooled)
    state = {"mean": made.mean, "whitening": made.whitening, "limit": np.array(made.limit)}
    tensors = {name: torch.from_numpy(value.astype(np.float32)) for name, value in state.items()}
    save_state(tensors, out / FAMILIARITY)


@torch.no_grad()
def seen(tower: Any, scenes: Scenes, number: int) -> NDArray[np.float64]:
    """(2 x hidden,) a whole cached picture, pooled."""
    window = content(scenes, number)
    shown = picture(scenes.pictures[number], window, grid_of(window[2], window[3]))
    return np.asarray(pool(tokens(tower, shown[None])[0].float().cpu().numpy()))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    from foveal.agent.checkpoint.building import build

    parser = argparse.ArgumentParser(description="Measure what pictures a model is familiar with.")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--scenes", type=Path, default=CACHE)
    parser.add_argument("--count", type=int, default=4000)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    tower = build(chosen.weights).network.model.visual
    write(tower, load(chosen.scenes, chosen.count), chosen.weights)


if __name__ == "__main__":
    main()
