"""One turn over the wire: sent until it is answered, and asked for once more when the answer breaks off."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError, AsyncOpenAI

from foveal.agent.errors import InputError, SetupError
from foveal.agent.openai.history import Message
from foveal.agent.openai.patience import Patience
from foveal.agent.openai.reply import Reply
from foveal.agent.openai.request import Offer, is_refusal
from foveal.agent.openai.trouble import Server
from foveal.agent.openai_given import several, words

HOPELESS = 5
"""Turns in a row after which it is no longer the questions that are to blame."""

Json = dict[str, Any]
Hear = Callable[[str], None]


class Wire(Protocol):
    """One of the interfaces that servers have."""

    def request(self, messages: list[Message], offer: Offer) -> Json:
        """The body of a request."""

    async def send(self, client: AsyncOpenAI, body: Json) -> Any:
        """The answer as it begins. Raises what the client raises."""

    async def read(self, answer: Any, reply: Reply, hear: Hear) -> None:
        """Add what arrives to the reply. Raises what the client raises."""


class Once:
    """Passes on text, and after a fresh start only what goes on from there: what was said cannot be unsaid."""

    def __init__(self, hear: Hear | None) -> None:
        self._hear = hear or (lambda text: None)
        self._said = self._now = ""

    def __call__(self, text: str) -> None:
        self._now += text
        if len(self._now) > len(self._said) and self._now.startswith(self._said):
            new, self._said = self._now[len(self._said) :], self._now
            self._hear(new)

    def again(self) -> None:
        """The turn begins anew."""
        self._now = ""


class Exchange:
    """Turns with one server."""

    def __init__(self, client: AsyncOpenAI, wire: Wire, server: Server, patience: Patience) -> None:
        self._client, self._wire, self._server, self._patience = client, wire, server, patience
        self._met = False
        """Whether the server has ever answered: else nobody is there, and waiting would not help."""
        self._mute = False
        """Whether the server does not say that a turn is complete."""
        self._answered = False
        """Whether it has ever given a turn."""
        self._failed = 0
        """Turns in a row that it did not give."""

    async def turn(self, body: Json, hear: Once) -> Reply:
        """One turn. Raises APIStatusError when the request is refused, and what `failed` gives otherwise."""
        reply = await self._received(body, hear)
        if not reply.finish and (reply.broken or not self._mute):
            hear.again()
            lost, reply = reply.pieces, await self._received(body, hear)
            reply.lost = lost
            if reply.broken or (not reply.finish and reply.empty):
                raise self.failed(_Broken(reply.broken or "it sent nothing"))
            self._mute = not reply.finish
        self._answered, self._failed = True, 0
        return reply

    def failed(self, error: Exception) -> InputError | SetupError:
        """What the user is told of an error: it is one question's as long as the server answers others."""
        self._failed += 1
        trouble = self._server.trouble(error)
        one = self._answered and self._failed < HOPELESS and _may_be_the_questions(error)
        return InputError(str(trouble)) if one else trouble

    async def models(self) -> list[str]:
        """The names of the models that the server has."""
        page = await self._sent(self._client.models.list)
        return [words(model, "id") for model in several(page, "data")]

    async def _received(self, body: Json, hear: Once) -> Reply:
        answer = await self._sent(lambda: self._wire.send(self._client, body))
        reply = Reply()
        try:
            await self._wire.read(answer, reply, hear)
        except Exception as error:
            if not _cut_off(error):
                raise
            reply.finish, reply.broken = "", self._server.words(error)
        finally:
            if hasattr(answer, "close"):
                await answer.close()
        return reply

    async def _sent(self, send: Callable[[], Any]) -> Any:
        try:
            answer = await self._patience.tried(send, self._passing)
        except APIStatusError:
            raise
        except APIError as error:
            raise self.failed(error) from None
        self._met = True
        return answer

    def _passing(self, error: Exception) -> Mapping[str, str] | None:
        """The headers of an error that may pass, None for one that will not."""
        if isinstance(error, APIConnectionError):
            return {} if self._met and not isinstance(error, APITimeoutError) else None
        if isinstance(error, APIStatusError):
            passing = error.status_code == 429 or error.status_code >= 500
            return (
                error.response.headers
                if passing and not is_refusal(self._server.words(error))
                else None
            )
        return None


class _Broken(Exception):
    """An answer that ended too early, twice."""


def _cut_off(error: Exception) -> bool:
    """Whether an answer ended early, or in no JSON. Older clients let errors of their transport through."""
    transport = type(error).__module__.partition(".")[0] in ("httpx", "httpx2")
    return transport or isinstance(error, APIError | ValueError)


def _may_be_the_questions(error: Exception) -> bool:
    if isinstance(error, APIStatusError):
        return error.status_code in (400, 413, 422) or error.status_code >= 500
    return isinstance(error, _Broken | APITimeoutError)
