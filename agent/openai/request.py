"""What goes into a request, and what one server has been found not to take: learnt from its refusals, once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPTIONAL = (
    "include", "logprobs", "max_tokens", "parallel_tool_calls", "store", "stream", "stream_options", "strict",
    "temperature", "tool_choice", "uuid",
)  # fmt: skip
"""What a request can do without, as servers name it when they refuse it; each at its place in a request."""
RENAMED = {"max_tokens": "max_completion_tokens"}
"""What some models know under another name."""
ROOM = 4096
"""Tokens in which a model may think before it speaks, on top of what it may say."""

_TOOLS = re.compile(r"\btools?\b|function[ _-]call|roles must alternate", re.IGNORECASE)
_IMAGES = re.compile(r"\bimages?\b|image_url|multi-?modal|\bvision\b|mmproj", re.IGNORECASE)
_SCHEMA = re.compile(r"response_format|text\.format|schema|grammar|guided", re.IGNORECASE)
_NO = re.compile(r"unsupported|not support|requires|unknown|unexpected|unrecognized", re.IGNORECASE)


@dataclass(frozen=True)
class Want:
    """What a turn is to be."""

    free: bool
    """Whether the model may look again in it."""
    limit: int
    """Tokens that it may say."""
    fit: Mapping[str, Any] | None = None
    """A JSON schema that it must fit."""


@dataclass(frozen=True)
class Offer:
    """What one turn is asked with, beside the conversation."""

    model: str
    schemas: Sequence[Mapping[str, Any]]
    """The actions as functions; none where they are spelled in text."""
    forced: bool
    """Whether the model must answer now."""
    limit: int
    """Tokens that it may write, thoughts included."""
    fit: Mapping[str, Any] | None = None
    """A JSON schema that the answer must fit."""
    image_ids: bool = False
    """Whether pictures carry their names."""
    omitted: frozenset[str] = frozenset()
    """Of OPTIONAL, what the server does not take."""

    def choice(self, tools: list[dict[str, Any]]) -> dict[str, Any]:
        """The fields about tools. They stay when the model must answer: prompts begin with them.

        They go where the server does not heed `tool_choice`.
        """
        if not tools or (self.forced and "tool_choice" in self.omitted):
            return {}
        return {"tools": tools} | ({"tool_choice": "none"} if self.forced else {})


@dataclass
class Manners:
    """What a server takes; one for all sessions with it."""

    tools: bool = True
    """Whether it takes tools; else actions are spelled in text."""
    image_ids: bool = False
    """Whether pictures carry their names."""
    omitted: set[str] = field(default_factory=set)
    """Of OPTIONAL, what it refused."""
    thinks: bool = False
    """Whether the model thinks before it speaks, and needs room for that."""

    def learn(self, refusal: str, body: Mapping[str, Any]) -> bool:
        """Note what the server refuses of what was sent; whether it is worth asking again without."""
        named = sorted((refusal.find(name), name) for name in OPTIONAL if _names(refusal, name))
        for _, name in named:  # what is named first is refused, and what comes after it advised
            if _sent(name, body):  # though another session may have learnt it meanwhile
                self.omitted.add(name)
                return True
        if {"response_format", "text"} & body.keys() and _SCHEMA.search(refusal):
            self.omitted.add("response_format")
            return True
        if "tools" in body and _TOOLS.search(refusal):
            self.tools = False
            return True
        return False

    def disobeyed(self) -> bool:
        """Note that the model called a tool though it must not; whether it is worth asking again without tools."""
        known = "tool_choice" in self.omitted
        self.omitted.add("tool_choice")
        return not known

    def thought(self) -> bool:
        """Note that the model thinks first; whether it is worth asking again with room for that."""
        known, self.thinks = self.thinks, True
        return not known


def trimmed(body: dict[str, Any], omitted: frozenset[str]) -> dict[str, Any]:
    """The request without what the server does not take."""
    kept = {
        RENAMED[key] if key in omitted else key: value
        for key, value in body.items()
        if key not in omitted or key in RENAMED
    }
    if "stream" not in kept:
        kept.pop("stream_options", None)
    return kept


def about_pictures(refusal: str) -> bool:
    """Whether it is pictures that the server refuses."""
    return bool(_IMAGES.search(refusal))


def is_refusal(trouble: str) -> bool:
    """Whether what a server calls its own failure is a refusal: llama.cpp's are, and asking again is idle."""
    return bool(_NO.search(trouble) and (_TOOLS.search(trouble) or _IMAGES.search(trouble)))


def _names(refusal: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", refusal) is not None


def _sent(name: str, body: Mapping[str, Any]) -> bool:
    if name == "strict":
        return any("strict" in tool.get("function", tool) for tool in body.get("tools", ()))
    if name == "uuid":
        contents = (message["content"] for message in body.get("messages", ()))
        parts = (part for content in contents if isinstance(content, list) for part in content)
        return any("uuid" in part for part in parts)
    return name in body
