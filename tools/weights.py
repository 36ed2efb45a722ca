"""Weight files, for specialists and their training: the same rules as for the language model."""

from foveal.agent.weights import (
    checksums,
    digest,
    load_config,
    load_into,
    load_state,
    save_state,
    verify,
)

__all__ = [
    "checksums",
    "digest",
    "load_config",
    "load_into",
    "load_state",
    "save_state",
    "verify",
]
