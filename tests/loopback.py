"""An OpenAI-compatible server on loopback that says what a test tells it to; run by the fixture `server`.

It speaks Chat Completions and the Responses API, streamed and whole, and is as odd as real ones are.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
Calls = Sequence[tuple[str, Any]]
"""Names and arguments; arguments that are text are sent as they are, however little JSON they are."""


@dataclass
class Turn:
    """What a model says."""

    text: str = ""
    calls: Calls = ()
    usage: Json | None = field(default_factory=lambda: {"prompt": 100, "written": 7, "cached": 40})
    finish: str | None = None
    """By default what a well-behaved server says."""
    logprobs: Sequence[float] = ()
    thoughts: str = ""
    cut: int | None = None
    """After how many events the connection breaks."""
    pieces: int = 3
    """Characters of each piece of text."""


@dataclass
class Raw:
    """An answer given to the byte: JSON, or the events of a stream."""

    status: int = 200
    body: Any = None
    events: Sequence[Any] | None = None
    headers: Json = field(default_factory=dict)
    cut: bool = False
    """The connection breaks before the end."""


Answer = Turn | Raw
Script = Callable[[Json], Answer]


@dataclass
class Asked:
    """A request as it came."""

    path: str
    headers: Json
    """Names in small letters."""
    body: Json


def refusal(status: int, message: str, **headers: Any) -> Raw:
    """An error as OpenAI words one."""
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None}}
    return Raw(status, body, headers={k.replace("_", "-"): v for k, v in headers.items()})


class Loopback:
    """The server: `script` answers each request by its body; the requests are kept."""

    turn = Turn
    raw = Raw
    refusal = staticmethod(refusal)

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.models = ["tiny"]
        self.script: Script = lambda body: Turn("nothing was scripted")
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Ours", (Handler,), {"loopback": self})
        )
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def answers(self, *answers: Answer) -> None:
        """One answer after the other, the last one again and again."""
        left = list(answers)
        self.script = lambda body: left.pop(0) if len(left) > 1 else left[0]

    def recites(self, *turns: Answer) -> None:
        """The answer that follows the turns already in the conversation."""
        self.script = lambda body: turns[min(_turns(body), len(turns) - 1)]

    @property
    def bodies(self) -> list[Json]:
        """What was asked, without requests for the list of models."""
        return [asked.body for asked in self.asked if not asked.path.endswith("/models")]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _turns(body: Json) -> int:
    items = body.get("messages") or body.get("input") or []
    after = ["call" if item.get("type") == "function_call" else item.get("role") for item in items]
    # Several calls of one turn are items of their own in the Responses API.
    return sum(
        who == "assistant" or (who == "call" and before not in ("call", "assistant"))
        for before, who in zip(["", *after], after, strict=False)
    )


class Handler(BaseHTTPRequestHandler):
    """Answers as the server that it belongs to is told."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # many small writes: each would wait for the last to be acknowledged
    )
    loopback: Loopback

    def log_message(self, *_: Any) -> None:
        """Nothing on stderr."""

    def do_GET(self) -> None:
        self.loopback.asked.append(Asked(self.path, self._headers(), {}))
        if self.path.endswith("/models"):
            models = [{"id": name, "object": "model"} for name in self.loopback.models]
            self._send(200, {"object": "list", "data": models})
        else:
            self._send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.loopback.asked.append(Asked(self.path, self._headers(), body))
        known = {"/v1/chat/completions": chat, "/v1/responses": responses}
        if self.path not in known:
            self._send(404, {"detail": "Not Found"})
            return
        answer = self.loopback.script(body)
        self._answer(known[self.path](answer, body) if isinstance(answer, Turn) else answer)

    def _headers(self) -> Json:
        return {name.lower(): value for name, value in self.headers.items()}

    def _answer(self, answer: Raw) -> None:
        if answer.events is None:
            self._send(answer.status, answer.body, answer.headers)
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in answer.events:
            text = event if isinstance(event, str) else json.dumps(event)
            self._chunk(f"data: {text}\n\n".encode())
        self.close_connection = answer.cut
        if not answer.cut:
            self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _send(self, status: int, body: Any, headers: Json | None = None) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, str) else "application/json"
        self.send_response(status)
        for name, value in ({"Content-Type": kind} | (headers or {})).items():
            self.send_header(name, str(value))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def chat(turn: Turn, body: Json) -> Raw:
    """A turn as Chat Completions send it."""
    finish = turn.finish if turn.finish is not None else "tool_calls" if turn.calls else "stop"
    calls = [
        {"id": f"srv{number}", "type": "function", "function": {"name": name, "arguments": _json(given)}}
        for number, (name, given) in enumerate(turn.calls)
    ]  # fmt: skip
    usage = _usage(turn, ("prompt", "completion"))
    if not body.get("stream"):
        message = {"role": "assistant", "content": turn.text or None, "tool_calls": calls or None}
        choice = {"index": 0, "message": message, "finish_reason": finish or None}
        choice["logprobs"] = _logprobs(turn.logprobs)
        return Raw(body={"id": "c", "object": "chat.completion", "choices": [choice]} | usage)
    deltas = [*_chat_deltas(turn, calls)]
    events = [_chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    last = {"index": 0, "delta": {}, "finish_reason": finish or None}
    events.append(_chunk([last | {"logprobs": _logprobs(turn.logprobs)}]))
    if usage and body.get("stream_options", {}).get("include_usage"):
        events.append(_chunk([]) | usage)
    return _streamed(turn, [*events, "[DONE]"])


def _chat_deltas(turn: Turn, calls: Sequence[Json]) -> Iterator[Json]:
    yield {"role": "assistant", "content": ""}
    if turn.thoughts:
        yield {"reasoning_content": turn.thoughts}
    yield from ({"content": piece} for piece in _pieces(turn))
    for number, call in enumerate(calls):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        yield {
            "tool_calls": [call | {"index": number, "function": {"name": name, "arguments": ""}}]
        }
        for piece in (arguments[:5], arguments[5:]):
            yield {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}


def _chunk(choices: list[Json]) -> Json:
    return {"id": "c", "object": "chat.completion.chunk", "model": "tiny", "choices": choices}


def responses(turn: Turn, body: Json) -> Raw:
    """A turn as the Responses API sends it."""
    items = [*_response_items(turn)]
    status = "incomplete" if turn.finish == "length" else "completed"
    whole = {"id": "r", "object": "response", "status": status, "output": items} | _usage(
        turn, ("input", "output")
    )
    if not body.get("stream"):
        return Raw(body=whole)
    events: list[Json] = [{"type": "response.created", "response": {"id": "r", "output": []}}]
    if turn.thoughts:
        events.append({"type": "response.reasoning_text.delta", "delta": turn.thoughts})
    events += [{"type": "response.output_text.delta", "delta": piece} for piece in _pieces(turn)]
    if turn.logprobs:
        tokens = [{"token": "x", "logprob": value} for value in turn.logprobs]
        events.append({"type": "response.output_text.delta", "delta": "", "logprobs": tokens})
    events += [{"type": "response.output_item.done", "item": item} for item in items]
    events.append({"type": f"response.{status}", "response": whole})
    return _streamed(turn, events)


def _response_items(turn: Turn) -> Iterator[Json]:
    if turn.thoughts:
        yield {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "sealed"}
    if turn.text:
        text = {"type": "output_text", "text": turn.text, "annotations": []}
        yield {"type": "message", "role": "assistant", "content": [text]}
    for number, (name, given) in enumerate(turn.calls):
        yield {"type": "function_call", "id": f"fc{number}", "call_id": f"srv{number}",
               "name": name, "arguments": _json(given)}  # fmt: skip


def _streamed(turn: Turn, events: list[Any]) -> Raw:
    if turn.cut is None:
        return Raw(events=events)
    return Raw(events=events[: turn.cut], cut=True)


def _pieces(turn: Turn) -> Iterator[str]:
    text = turn.text
    return (text[at : at + turn.pieces] for at in range(0, len(text), turn.pieces))


def _json(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _usage(turn: Turn, names: tuple[str, str]) -> Json:
    if turn.usage is None:
        return {}
    read, written = names
    return {
        "usage": {
            f"{read}_tokens": turn.usage["prompt"],
            f"{written}_tokens": turn.usage["written"],
            "total_tokens": turn.usage["prompt"] + turn.usage["written"],
            f"{read}_tokens_details": {"cached_tokens": turn.usage["cached"]},
        }
    }


def _logprobs(values: Sequence[float]) -> Json | None:
    return {"content": [{"token": "x", "logprob": value} for value in values]} if values else None
