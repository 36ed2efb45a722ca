"""What a shell may complete where an option takes one of a few names."""


def profiles(incomplete: str) -> list[str]:
    """Profiles whose names begin so; files are the shell's to complete."""
    from foveal.agent.profiles import BUILT_IN

    return [name for name in BUILT_IN if name.startswith(incomplete)]


def triggers(incomplete: str) -> list[str]:
    """Trigger phrases whose names begin so."""
    from typing import get_args

    from foveal.agent.vpt import Trigger

    return [name for name in get_args(Trigger) if name.startswith(incomplete)]
