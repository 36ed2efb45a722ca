"""Which model a profile means: one function per backend, each loading only what it needs."""

import logging
import time
from pathlib import Path
from typing import assert_never

from foveal.agent.dialect import Dialect
from foveal.agent.dialogue import Foveal
from foveal.agent.model import PerceptionModel
from foveal.agent.native.control import Control
from foveal.agent.profiles import Profile
from foveal.agent.vpt import Paper
from foveal.tools.extras import needs

_log = logging.getLogger(__name__)


def model_of(profile: Profile, control: Control | None = None) -> PerceptionModel:
    """The profile's model, ready to open sessions. Raises SetupError when it cannot be had.

    `control` replaces the control state of re-encodings, for ablations; only native models have one.
    """
    began = time.monotonic()
    model = _model_of(profile, control)
    _log.info("model of %r loaded in %.2f s", profile.name, time.monotonic() - began)
    return model


def _model_of(profile: Profile, control: Control | None) -> PerceptionModel:
    match profile.backend:
        case "native":
            return _native(profile, control)
        case "chat":
            return _chat(profile)
        case "openai":
            return _served(profile)
        case _:
            assert_never(profile.backend)


def dialect_of(profile: Profile) -> Dialect | None:
    """How the profile's model is spoken to; None for a model that follows instructions in any words."""
    if profile.backend != "native":
        return None
    return Paper(profile.trigger) if profile.dialect == "vpt" else Foveal(profile.system)


def _native(profile: Profile, control: Control | None) -> PerceptionModel:
    from foveal.agent.native.model import NativeModel

    with needs("models"):
        import safetensors  # noqa: F401  # these first: without them
        import torch  # noqa: F401  # transformers fails in words of its own

        return NativeModel.from_folder(
            profile.folder, dialect_of(profile), profile.device, profile.name, control
        )


def _chat(profile: Profile) -> PerceptionModel:
    with needs("chat"):
        import jinja2  # noqa: F401  # these first: without them
        import llguidance  # noqa: F401  # transformers fails in words of its own,
        import torchvision  # noqa: F401  # and late

        from foveal.agent.chat.model import ChatModel

    return ChatModel.from_folder(
        Path(profile.model),
        profile.device,
        profile.name,
        profile.family or None,
        profile.convention if "convention" in profile.model_fields_set else None,
        profile.system,
    )


def _served(profile: Profile) -> PerceptionModel:
    with needs("openai"):
        import openai  # noqa: F401  # first: with it, the rest is ours

        from foveal.agent.openai.model import OpenAIModel

    return OpenAIModel.of(profile)
