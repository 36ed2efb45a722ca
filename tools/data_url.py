"""Images inside the text that names them: `data:image/png;base64,...`."""

import binascii
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from foveal.agent.errors import InputError

PREFIX = "data:"


def named(source: object) -> bool:
    """Whether this is a data URL."""
    return isinstance(source, str) and source[: len(PREFIX)].lower() == PREFIX


def decoded(url: str, limit: int) -> bytes:
    """The bytes in a data URL. Raises InputError when they cannot be had, or are more than `limit`."""
    head, comma, data = url.partition(",")
    if not comma:
        raise InputError(
            "the data URL has no comma; it is data:image/png;base64, and then the data"
        )
    if len(data) > 4 * limit:
        raise InputError(f"the data URL is larger than {limit >> 20} MiB; give a smaller image")
    found = unquote_to_bytes(data)
    if head.lower().endswith(";base64"):
        found = _base64(found)
    if len(found) > limit:
        raise InputError(f"the data URL is larger than {limit >> 20} MiB; give a smaller image")
    return found


def _base64(text: bytes) -> bytes:
    try:
        return b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise InputError(f"the data URL is not base64 ({error}); encode the image again") from None
