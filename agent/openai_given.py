"""Fields of what a server sent, whatever they hold: the client checks nothing, and servers send what they like."""

import json
import math
from collections.abc import Mapping
from typing import Any


def given(holder: Any, name: str) -> Any:
    """A field, None when it is missing. Holders are the client's models, and plain where it has none."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def several(holder: Any, name: str) -> list[Any]:
    """A field that is a list; nothing when it is none."""
    value = given(holder, name)
    return list(value) if isinstance(value, list | tuple) else []


def words(holder: Any, name: str) -> str:
    """A field that is text. Text in parts is put together (Mistral), an object is spelled as JSON (Ollama)."""
    value = given(holder, name)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair is no text
    if isinstance(value, list | tuple):
        return "".join(words(part, "text") for part in value)
    return json.dumps(value) if isinstance(value, Mapping) else ""


def number(holder: Any, name: str) -> float | None:
    """A field that is a number, None when it is none."""
    value = given(holder, name)
    known = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    return float(value) if known else None


def count(holder: Any, name: str) -> int:
    """A field that counts something, 0 when it does not."""
    value = number(holder, name)
    return 0 if value is None or math.isinf(value) else max(0, int(value))
