"""What is taken away from the agent, to see what it was worth."""

from collections.abc import Callable
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict

from foveal.agent.errors import InputError
from foveal.agent.native.control import Control, Source
from foveal.agent.profiles import Profile
from foveal.evals.interference import Interference
from foveal.evals.oracle import Oracle
from foveal.evals.truth import Scene
from foveal.tools.base import Dispatcher
from foveal.tools.store import ImageStore

Tell = Callable[[Scene], None]


def _deaf(scene: Scene) -> None:
    """Nobody wants to know."""


KNOWN: dict[str, tuple[str, ...]] = {
    "tools": ("none",),
    "h": tuple(source for source in get_args(Source) if source != "own"),
    "c": ("zero",),
    "observation": ("blank", "shuffle", "oracle"),
    "tokens": ("blank",),
    "region": ("random",),
}
"""What can be replaced, and by what."""
SHORT = {"oracle": "observation=oracle"}
"""What may be written for it."""


class Ablation(BaseModel):
    """Replacements, each of one thing; by default none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tools: Literal["own", "none"] = "own"
    h: Source = "own"
    """The control state of a re-encoding."""
    c: Literal["own", "zero"] = "own"
    """What the projector makes of it."""
    observation: Literal["own", "blank", "shuffle", "oracle"] = "own"
    """What specialists say: nothing, something about another image, or the truth."""
    tokens: Literal["own", "blank"] = "own"
    """The visual tokens of observations."""
    region: Literal["own", "random"] = "own"
    """Where looks go."""

    @classmethod
    def parsed(cls, text: str | None) -> Self:
        """From "h=zero,c=zero". Raises InputError for what is not known."""
        values: dict[str, str] = {}
        for part in (text or "").split(",") if text else ():
            word = part.strip()
            name, equals, value = SHORT.get(word, word).partition("=")
            if not equals or value not in KNOWN.get(name, ()):
                options = ", ".join(f"{n}={v}" for n, known in KNOWN.items() for v in known)
                raise InputError(f"cannot ablate {word!r}; known: {options}")
            if name in values:
                raise InputError(f"{name} is ablated twice in {text!r}; name it once")
            values[name] = value
        return cls.model_validate(values)

    def control(self, profile: Profile) -> Control | None:
        """How the model's control state is replaced, None where it is not.

        Raises InputError for a profile that does not re-encode: nothing would change.
        """
        if self.h == "own" and self.c == "own":
            return None
        if "reencode" not in profile.tools:
            reason = f"profile {profile.name!r} does not re-encode: it has no control state"
            raise InputError(f"{reason}; ablate h or c with a released checkpoint, as vpt-2b-clip")
        return Control(h=self.h, c=self.c)

    def interferes(self) -> bool:
        """Whether what specialists say is tampered with."""
        return (self.observation, self.tokens, self.region) != ("own", "own", "own")

    def interfered(self, inner: Dispatcher, store: ImageStore) -> tuple[Interference, Tell]:
        """The inner dispatcher with what comes between it and the model, and whom to tell each scene's truth."""
        oracle = Oracle(inner)
        knows = self.observation == "oracle"
        observation = "own" if self.observation == "oracle" else self.observation
        source = oracle if knows else inner
        between = Interference(source, store, observation, self.tokens, self.region)
        return between, oracle.tell if knows else _deaf

    def __str__(self) -> str:
        """As it was written, nothing for none."""
        return ",".join(f"{n}={v}" for n, v in self.model_dump().items() if v != "own")
