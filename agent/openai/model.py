"""Any OpenAI-compatible server as a model of this project: vLLM, SGLang, Ollama, llama.cpp, a vendor."""

from collections.abc import Sequence
from typing import Any, Literal

from openai import APIStatusError, AsyncOpenAI
from pydantic import SecretStr

from foveal.agent.actions import PerceptionKind
from foveal.agent.capabilities import schemas
from foveal.agent.coordinates import Convention
from foveal.agent.errors import SetupError
from foveal.agent.model import Sight
from foveal.agent.openai.chat import ChatCompletions
from foveal.agent.openai.exchange import Exchange, Wire
from foveal.agent.openai.history import Message
from foveal.agent.openai.patience import Patience
from foveal.agent.openai.request import ROOM, Manners, Offer, Want, trimmed
from foveal.agent.openai.responses import Responses
from foveal.agent.openai.session import OpenAISession
from foveal.agent.openai.trouble import Server
from foveal.agent.profiles import Profile
from foveal.agent.settings import settings
from foveal.agent.transcript import Acted, Asked, Noted, Observed

Api = Literal["chat", "responses"]
NO_KEY = "none"
"""Sent where there is no key: the client wants one, and servers without keys do not look."""
LISTED = 8
"""Names of models that an error lists."""


class OpenAIModel:
    """One model at one server. Its sessions share the connections and what was learnt of the server's ways.

    It belongs to the event loop that first uses it; `aclose` lets the connections go.
    """

    def __init__(
        self,
        base_url: str,
        model: str = "",
        api_key: SecretStr | None = None,
        *,
        api: Api = "chat",
        convention: Convention = "thousand",
        tool_calls: bool = True,
        image_ids: bool = False,
        preface: str = "",
        timeout: float = 300.0,
        patience: Patience | None = None,
    ) -> None:
        """`model` may be left out where the server has only one; `preface` is said before the manual.

        Raises SetupError for a key that cannot be sent.
        """
        self.name = model or base_url
        self.convention, self.preface = convention, preface
        self.server = Server(base_url, model, _sendable(api_key), timeout)
        self.manners = Manners(tools=tool_calls, image_ids=image_ids)
        self._client = AsyncOpenAI(
            base_url=base_url,
            api_key=self.server.secret or NO_KEY,
            timeout=timeout,
            max_retries=0,  # ours know what is worth it (agent/openai/patience.py)
        )
        self._wire: Wire = Responses() if api == "responses" else ChatCompletions()
        self.exchange = Exchange(self._client, self._wire, self.server, patience or Patience())

    @classmethod
    def of(cls, profile: Profile) -> "OpenAIModel":
        """The model that a profile names, with the key from the settings. Raises SetupError without a server."""
        if not profile.base_url:
            problem = f"profile {profile.name!r} does not say which server to ask"
            raise SetupError(problem, "add --base-url http://HOST:PORT/v1, or set FOVEAL_BASE_URL")
        return cls(
            profile.base_url,
            profile.model,
            settings().api_key,
            api=profile.api,
            convention=profile.convention,
            tool_calls=profile.tool_calls,
            image_ids=profile.image_ids,
            preface=profile.system,
            timeout=profile.timeout,
        )

    async def open(
        self, transcript: Sequence[Asked | Acted | Observed | Noted], sight: Sight
    ) -> OpenAISession:
        """A session that goes on from the transcript. Raises SetupError when it is unclear which one is meant."""
        session = OpenAISession(self, transcript, sight)
        if not self.server.model:
            self.server = await self._found()
        return session

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    def request(
        self,
        messages: list[Message],
        kinds: Sequence[PerceptionKind],
        want: Want,
        images: int = 1,
    ) -> dict[str, Any]:
        """The body of a request for one turn, as far as the server takes it.

        `kinds` are the actions that the run allows, whether or not they may be used in this turn; `images`
        is how many the question comes with.
        """
        manners = self.manners
        omitted = frozenset(manners.omitted)
        offer = Offer(
            model=self.server.model,
            schemas=self._schemas(kinds, images) if manners.tools else (),
            forced=not want.free,
            limit=want.limit + (ROOM if manners.thinks else 0),
            fit=None if "response_format" in omitted else want.fit,
            image_ids=manners.image_ids and "uuid" not in omitted,
            omitted=omitted,
        )
        return trimmed(self._wire.request(messages, offer), omitted)

    def _schemas(self, kinds: Sequence[PerceptionKind], images: int) -> list[dict[str, Any]]:
        dropped = {"strict"} & self.manners.omitted
        return [
            {key: value for key, value in schema.items() if key not in dropped}
            for schema in schemas(kinds, self.convention, images)
        ]

    async def _found(self) -> Server:
        """The server, with the only model that it has."""
        server = self.server
        try:
            names = await self.exchange.models()
        except APIStatusError as error:
            raise self.exchange.failed(error) from None
        if len(names) != 1:
            shown = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
            problem = f"the server at {server.address} has {len(names) or 'no'} models"
            raise SetupError(f"{problem}{': ' * bool(names)}{shown}", "name one with --model")
        return Server(server.address, names[0], server.key, server.timeout)


def _sendable(key: SecretStr | None) -> SecretStr | None:
    """A key that can travel in a header; of another one, the client's error would quote it."""
    text = key.get_secret_value().strip() if key else ""
    if not text.isascii() or not text.isprintable() or " " in text:
        problem = "the key in FOVEAL_API_KEY (or OPENAI_API_KEY) holds characters that no key has"
        raise SetupError(problem, "set it again")
    return SecretStr(text) if text else None
