"""What went wrong with a server, told to the user in one line with the cure, and without any key."""

import re
from dataclasses import dataclass, field

from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
)
from pydantic import SecretStr

from foveal.agent.errors import SetupError
from foveal.agent.openai.request import about_pictures

LONGEST = 300
"""Characters of a server's own words."""
_CONTEXT = re.compile(r"context.(length|size|window)|maximum.{0,20}tokens|too long", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """Where a model is, and how it is asked for."""

    address: str
    model: str = ""
    key: SecretStr | None = field(default=None, repr=False)
    timeout: float = 300.0
    """Seconds without a word after which it counts as gone."""

    @property
    def secret(self) -> str:
        """The key itself, or nothing."""
        return self.key.get_secret_value() if self.key else ""

    def words(self, error: Exception) -> str:
        """What the server, or the connection to it, says of an error: on one line, and without the key."""
        said = _said(error.body) if isinstance(error, APIError) else ""
        text = " ".join((said or _reason(error)).split())
        text = "with a web page" if text.startswith("<") else text
        return (text.replace(self.secret, "...") if self.secret else text)[:LONGEST]

    def trouble(self, error: Exception) -> SetupError:
        """The same as the user is told it."""
        if isinstance(error, APITimeoutError):
            problem = f"the server at {self.address} was silent for {self.timeout:g} seconds"
            return SetupError(problem, "see what keeps it busy, or set `timeout` in a profile")
        if isinstance(error, APIConnectionError):
            problem = f"no server answers at {self.address} ({self.words(error)})"
            return SetupError(problem, "start it, or correct --base-url")
        if isinstance(error, APIStatusError):
            return self._refused(error.status_code, self.words(error))
        problem = f"the server at {self.address} broke off: {self.words(error)}"
        return SetupError(problem, "see its log; the same command asks again")

    def _refused(self, status: int, words: str) -> SetupError:
        where, name = f"the server at {self.address}", self.model
        if status == 401:
            refused = "does not accept the key" if self.key else "wants a key"
            return SetupError(f"{where} {refused}", "set FOVEAL_API_KEY to one that it knows")
        if about_pictures(words):
            problem = f"{where} takes no such picture for {name!r}: {words}"
            return SetupError(problem, "serve a vision model there, and allow several pictures")
        if _CONTEXT.search(words):
            problem = f"the conversation is too long for {name!r} at {self.address}: {words}"
            return SetupError(problem, "serve it with a longer context, or lower --max-hops")
        if status == 404 and "model" in words.lower():
            problem = f"{where} has no model {name!r}: {words}"
            return SetupError(problem, "name one that it has with --model")
        if status in (404, 405):
            problem = f"there is no OpenAI-compatible server at {self.address} ({status} {words})"
            return SetupError(problem, "correct --base-url, which mostly ends in /v1")
        if status == 429:
            problem = f"{where} is asked too much: {words}"
            return SetupError(problem, "try again later, or ask less at a time")
        if status >= 500:
            return SetupError(f"{where} failed ({status} {words})", "see its log, or try again")
        problem = f"{where} refuses the request ({status} {words})"
        return SetupError(problem, "correct --model, or the profile")


def _said(body: object) -> str:
    """The message in a server's answer, however it wraps it."""
    if isinstance(body, dict):
        for key in ("error", "message", "detail"):
            if body.get(key):
                return _said(body[key])
    if isinstance(body, list) and body:
        return _said(body[0]) if len(body) == 1 else str(body)
    return "" if body is None else str(body)


def _reason(error: BaseException) -> str:
    """An error's own words, or those of what caused it."""
    cause = error.__cause__
    return _reason(cause) if cause is not None else str(error) or type(error).__name__
