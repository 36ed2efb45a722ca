"""Who may ask: whoever has the token. Without one nobody but this machine gets to the door."""

import hmac
import ipaddress

from starlette.datastructures import URL, Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from foveal.agent.errors import InputError
from foveal.http.refusals import Refusal

OPEN = frozenset(("/healthz", "/readyz"))
"""Paths that need no token: whatever starts and stops servers asks them."""


def checked_binding(host: str, token: str | None, no_auth: bool) -> None:
    """Raise InputError for a door that would be open to strangers by accident."""
    if token is None and not no_auth and not is_loopback(host):
        raise InputError(
            f"--host {host} can be reached from elsewhere and there is no token: set FOVEAL_TOKEN or say --no-auth"
        )
    if token is not None and no_auth:
        raise InputError("--no-auth and FOVEAL_TOKEN exclude each other: unset one")
    if token is not None and not (token.isascii() and token.isprintable()):
        raise InputError("FOVEAL_TOKEN holds characters that no header can carry")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Auth:
    """Lets through what carries the token, and everything when there is none."""

    def __init__(self, app: ASGIApp, token: str | None, local: bool = False) -> None:
        """`local`: only who calls this machine by its own name is let through. A page elsewhere can let a name of
        its own stand for this machine, and then make a browser on it ask what it likes."""
        self._app, self._local = app, local
        self._token = None if token is None else token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        refusal = None
        if scope["type"] == "http" and scope["path"] not in OPEN:
            refusal = self._refusal(scope)
        answer = self._app if refusal is None else refusal.response()
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        if self._local and not is_loopback(URL(scope=scope).hostname or ""):
            return Refusal(
                403, "without a token this server answers to localhost and 127.0.0.1 only"
            )
        if self._known(scope):
            return None
        return Refusal(
            401,
            "no valid token; send it as `Authorization: Bearer …`, in OpenAI's clients as api_key",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _known(self, scope: Scope) -> bool:
        if self._token is None:
            return True
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        # Compared in constant time: how long a refusal takes must not say how much was right.
        same = hmac.compare_digest(given.strip().encode(), self._token)
        return same and scheme.lower() == "bearer"
