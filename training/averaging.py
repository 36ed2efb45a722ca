"""The mean of several weights that were trained from one beginning (Wortsman et al., Model soups, 2022).

python -m foveal.training.averaging runs/a/model.safetensors runs/b/model.safetensors --out model.safetensors
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from foveal.agent.errors import InputError
from foveal.agent.weights import load_state, save_state


def averaged(files: Sequence[Path], shares: Sequence[float]) -> dict[str, Tensor]:
    """The tensors by name, as much of each file's as its share of all shares.

    Raises InputError where there are not as many shares as files, or the files hold other tensors.
    """
    if len(shares) != len(files) or min(shares, default=0) < 0 or not sum(shares):
        raise InputError(
            f"shares {list(shares)} of {len(files)} files: give each one, none below 0"
        )
    mean: dict[str, Tensor] = {}
    for file, share in zip(files, shares, strict=True):
        state = load_state(file)
        if mean and _shapes(state) != _shapes(mean):
            raise InputError(f"{file} holds other tensors than {files[0]}: average versions of one")
        mean = {name: mean.get(name, 0) + share / sum(shares) * state[name] for name in state}
    return mean


def _shapes(state: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Average weights."""
    parser = argparse.ArgumentParser(
        prog="python -m foveal.training.averaging", description=main.__doc__
    )
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument(
        "--shares", type=float, nargs="*", help="of each file; by default equal ones"
    )
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    save_state(averaged(chosen.files, chosen.shares or [1.0] * len(chosen.files)), chosen.out)


if __name__ == "__main__":
    main()
