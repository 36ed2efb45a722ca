"""A network that is in memory once: built without weights, then given those on disk, one tensor at a time."""

from collections.abc import Callable, Mapping
from typing import Any

from foveal.agent.errors import SetupError

CURE = "use weights and a config.json that belong together"


def assembled(
    make: Callable[[], Any],
    state: Mapping[str, Any],
    source: object,
    device: str = "cpu",
    dtype: Any = None,
    cure: str = CURE,
) -> Any:
    """The module that `make` returns, with the tensors of `state` and nothing resized.

    `dtype` is that of its floats (None: as in `state`), computed buffers excepted, which rotary frequencies need;
    of parameters that are tied, `state` has the first. `source` names the weights in a SetupError, which is raised
    for a name or shape that does not fit, and for a device that cannot be used.
    """
    network = _empty(make, source, cure)
    expected = network.state_dict(keep_vars=True)
    tied = _tied(expected)
    own = {name: tensor for name, tensor in expected.items() if name not in tied}
    if reason := misfit(own, state):
        raise SetupError(f"weights {source} do not fit the model: {reason}", cure)
    _compute_buffers(network)
    placed = {name: _placed(tensor, device, dtype, own[name]) for name, tensor in state.items()}
    placed |= {name: placed[original] for name, original in tied.items()}
    network.load_state_dict(placed, strict=True, assign=True)
    return network.to(usable(device)).eval()


def _empty(make: Callable[[], Any], source: object, cure: str) -> Any:
    import torch

    try:
        with torch.device("meta"):
            return make()
    except SetupError:
        raise
    except Exception as error:  # each setting that is wrong fails in its own way
        reason = str(error).strip().partition("\n")[0]
        problem = f"a model cannot be built as the settings of {source} say: {reason}"
        raise SetupError(problem, cure) from error


def _tied(expected: Mapping[str, Any]) -> dict[str, str]:
    """Names of parameters that are the same as one named before, with that name."""
    first: dict[int, str] = {}
    for name, tensor in expected.items():
        first.setdefault(id(tensor), name)
    return {
        name: first[id(tensor)] for name, tensor in expected.items() if first[id(tensor)] != name
    }


def misfit(expected: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """The first thing in which names or shapes differ, None when nothing does."""
    for words, names in (
        ("missing", expected.keys() - given.keys()),
        ("unexpected", given.keys() - expected.keys()),
    ):
        if names:
            return f"{len(names)} {words}, first {min(names)}"
    for name, tensor in expected.items():
        if tensor.shape != given[name].shape:
            return f"{name} is {[*given[name].shape]} and should be {[*tensor.shape]}"
    return None


def usable(device: str) -> Any:
    """The device as torch knows it. Raises SetupError for one that this machine does not have."""
    import torch

    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # no such device, or torch built without it
        reason = str(error).partition("\n")[0].partition(". ")[0][:100]
        raise SetupError(
            f"device {device!r} cannot be used ({reason})",
            "set FOVEAL_DEVICE=cpu or correct the profile's device",
        ) from error


def _placed(tensor: Any, device: str, dtype: Any, like: Any) -> Any:
    """A copy, so that nothing depends on the file once it is read; a parameter where `like` is one."""
    import torch

    kind = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
    try:
        copy = tensor.detach().to(device=device, dtype=kind, copy=True)
    except torch.OutOfMemoryError as error:
        raise SetupError(
            f"device {device!r} has too little memory for the model",
            "use a smaller model, another device, or FOVEAL_DEVICE=cpu",
        ) from error
    return torch.nn.Parameter(copy) if isinstance(like, torch.nn.Parameter) else copy


def _compute_buffers(network: Any) -> None:
    """Fill the buffers that no file holds, such as rotary frequencies, as transformers does after loading."""
    import torch

    for module in network.modules():
        absent = [
            name
            for name in module._non_persistent_buffers_set
            if (buffer := module._buffers[name]) is not None and buffer.is_meta
        ]
        for name in absent:
            meta = module._buffers[name]
            module._buffers[name] = torch.full(meta.shape, float("nan"), dtype=meta.dtype)
        if absent:
            network._init_weights(module)
        if any(module._buffers[name].isnan().any() for name in absent):
            problem = f"this version of transformers does not compute {absent[0]}"
            raise SetupError(problem, "pip install --upgrade transformers")
