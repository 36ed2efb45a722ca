"""A run's result as a Chat Completion, whole or in chunks; what OpenAI has no field for is under `foveal`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from foveal.graphs.budgets import Spent
from foveal.graphs.result import Result
from foveal.graphs.trace import Event, Started
from foveal.http.question import Question

Json = dict[str, Any]

ALONE = "this model knows single questions only: what was said before was left out"
UNINSTRUCTED = "this model follows no instructions: the system message was left out"
_INNER = {"trace"}
"""Of a result, what is only for this machine."""
_WHOLE = frozenset(("said", "finished", "broke"))
"""Events that a stream tells in other ways."""


@dataclass
class Reply:
    """What all parts of one reply have in common, and what has been said so far."""

    model: str
    question: Question
    created: int = field(default_factory=lambda: int(time.time()))
    started: Started | None = None
    said: dict[str, str] = field(default_factory=dict)
    """The message so far, by field."""

    def add(self, delta: Mapping[str, str]) -> None:
        """Note a piece of the message."""
        for name, text in delta.items():
            self.said[name] = self.said.get(name, "") + text

    def whole(self, result: Result) -> Json:
        """The completion."""
        message = {"role": "assistant", "content": None, "refusal": None, **self.said}
        if message["refusal"] is None and message["content"] is None:
            message["content"] = ""
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": finish(result),
        }
        return self._head("chat.completion") | {
            "choices": [choice],
            "usage": usage(result.usage),
            "foveal": self.extension(result),
        }

    def chunk(self, delta: Mapping[str, str], **more: Any) -> Json:
        """A piece of the completion; `more` goes beside the delta's choice."""
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": None}
        return self._head("chat.completion.chunk") | {"choices": [choice]} | more

    def last(self, result: Result) -> Json:
        """The chunk that ends the message."""
        chunk = self.chunk({}, foveal=self.extension(result))
        chunk["choices"][0]["finish_reason"] = finish(result)
        return chunk

    def counted(self, result: Result) -> Json:
        """The chunk after the last, for clients that asked for the usage."""
        chunk = self._head("chat.completion.chunk")
        return chunk | {"choices": [], "usage": usage(result.usage)}

    def extension(self, result: Result) -> Json:
        """Evidence, hops, confidence, the run's id and all else that a result says."""
        told: Json = result.model_dump(mode="json", exclude=_INNER)
        if self.started is not None:
            told["notes"] += _unheard(self.question, self.started)
        return told

    def _head(self, kind: str) -> Json:
        return {
            "id": f"chatcmpl-{self.started.run if self.started else ''}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": f"foveal-{version('foveal')}",
        }


def _unheard(question: Question, started: Started) -> list[str]:
    """What the model was not told of all that was sent."""
    notes = [ALONE] if question.earlier and not started.past else []
    return notes + ([UNINSTRUCTED] if question.wishes and not started.instructed else [])


def usage(spent: Spent) -> Json:
    """What a run has cost: every token computed or written, over all turns."""
    prompt = spent.prefilled + spent.cached
    return {
        "prompt_tokens": prompt,
        "completion_tokens": spent.emitted,
        "total_tokens": prompt + spent.emitted,
        "prompt_tokens_details": {"cached_tokens": spent.cached, "image_tokens": spent.visual},
    }


def finish(result: Result) -> str:
    """Why the message ends."""
    return "length" if result.ended_by == "new_tokens" else "stop"


def told(event: Event) -> Json | None:
    """An event as a stream's `foveal` field has it; None for those that are told otherwise."""
    if event.kind in _WHOLE:
        return None
    drop = {"acted": {"tokens"}} if event.kind == "thought" else None
    return event.model_dump(mode="json", exclude=drop)
