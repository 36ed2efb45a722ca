"""Where an OpenAI-compatible server is: an address that can be used, and shown without giving a key away."""

from urllib.parse import urlsplit


def checked_address(text: str) -> str:
    """A server's address without its last slash, or nothing for nothing.

    Raises ValueError saying what is wrong, without quoting it.
    """
    if not text:
        return text
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("a server is written http://HOST:PORT/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            "an address has no user, key or query in it: a key goes into FOVEAL_API_KEY"
        )
    return text.rstrip("/")
