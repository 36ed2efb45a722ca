"""Chat Completions: the interface that every OpenAI-compatible server has."""

from collections.abc import Callable, Sequence
from typing import Any

from foveal.agent.openai.history import Message, Part, Result, Said, System, User
from foveal.agent.openai.pictures import Shown
from foveal.agent.openai.reply import Counts, Reply
from foveal.agent.openai.request import Offer
from foveal.agent.openai_given import count, given, number, several, words

Json = dict[str, Any]


class ChatCompletions:
    """Writes requests and reads what comes back; holds nothing."""

    def request(self, messages: Sequence[Message], offer: Offer) -> Json:
        """The body of a request."""
        tools = [{"type": "function", "function": schema} for schema in offer.schemas]
        return {
            "model": offer.model,
            "messages": [_message(message, offer) for message in messages],
            "max_tokens": offer.limit,
            "temperature": 0,
            "logprobs": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            **offer.choice(tools),
            **_format(offer),
        }

    async def send(self, client: Any, body: Json) -> Any:
        """A stream of chunks, or the whole completion where the body asks for no stream."""
        return await client.chat.completions.create(**body)

    async def read(self, answer: Any, reply: Reply, hear: Callable[[str], None]) -> None:
        """Add what arrives to the reply."""
        if not hasattr(answer, "__aiter__"):
            _whole(answer, reply, hear)
            return
        async for chunk in answer:
            _count(given(chunk, "usage"), reply)
            for choice in several(chunk, "choices"):
                _choice(given(choice, "delta"), choice, reply, hear)


def _format(offer: Offer) -> Json:
    if offer.fit is None:
        return {}
    schema = {"name": "answer", "schema": offer.fit, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _message(message: Message, offer: Offer) -> Json:
    match message:
        case System():
            return {"role": "system", "content": message.text}
        case User():
            return {"role": "user", "content": [_part(part, offer) for part in message.parts]}
        case Said():
            calls = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                    **call.extra,
                }
                for call in message.calls
            ]
            return {"role": "assistant", "content": message.text} | (
                {"tool_calls": calls} if calls else {}
            )
        case Result():
            return {"role": "tool", "tool_call_id": message.call, "content": message.text}


def _part(part: Part, offer: Offer) -> Json:
    if isinstance(part, Shown):
        named = {"uuid": part.name} if offer.image_ids else {}
        return {"type": "image_url", "image_url": {"url": part.url}} | named
    return {"type": "text", "text": part}


def _whole(answer: Any, reply: Reply, hear: Callable[[str], None]) -> None:
    for choice in several(answer, "choices")[:1]:
        _count(given(answer, "usage"), reply)
        _choice(given(choice, "message"), choice, reply, hear)
        reply.finish = reply.finish or "stop"


def _choice(said: Any, choice: Any, reply: Reply, hear: Callable[[str], None]) -> None:
    """A choice of a chunk, whose `said` is a delta, or of a completion, whose `said` is the message."""
    reply.thought |= bool(words(said, "reasoning_content") or words(said, "reasoning"))
    reply.say(words(said, "content") or words(said, "refusal"), hear)
    for call in several(said, "tool_calls"):
        _call(call, given(call, "function"), reply)
    reply.sure(number(token, "logprob") for token in several(given(choice, "logprobs"), "content"))
    reply.finish = words(choice, "finish_reason") or reply.finish


def _call(call: Any, function: Any, reply: Reply) -> None:
    # A message's calls are not numbered, a chunk's should be.
    index = count(call, "index") if hasattr(call, "index") else len(reply.calls)
    made = reply.call(
        index, words(function, "name"), words(function, "arguments"), words(call, "id")
    )
    made.extra |= given(call, "model_extra") or {}


def _count(usage: Any, reply: Reply) -> None:
    if usage is None:
        return
    prompt = given(usage, "prompt_tokens_details")
    reply.counts = Counts(
        prompt=count(usage, "prompt_tokens"),
        cached=count(prompt, "cached_tokens"),
        written=count(usage, "completion_tokens"),
        pictures=count(prompt, "image_tokens"),
    )
    reply.thought |= count(given(usage, "completion_tokens_details"), "reasoning_tokens") > 0
