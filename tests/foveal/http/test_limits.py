"""How much the door lets in, and what happens to those who are sent away or leave."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from foveal.http.app import Door, application
from foveal.http.limits import Admission, Limits
from foveal.http.refusals import Refusal

CHAT = "/v1/chat/completions"


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.001)


class Visitor:
    """A client, as ASGI has it, that can hang up."""

    def __init__(self, body: Any, path: str = CHAT) -> None:
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
            "path": path, "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"",
            "headers": [(b"content-type", b"application/json")], "client": ("1.2.3.4", 5),
        }  # fmt: skip
        self._body: bytes | None = json.dumps(body).encode()
        self.left = asyncio.Event()
        self.heard: list[Any] = []

    async def receive(self) -> Any:
        """The body, then nothing until it hangs up."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        """Hear what it is told."""
        self.heard.append(message)

    def visit(self, door: Door) -> "asyncio.Task[None]":
        """Begin a request."""
        visiting: Awaitable[None] = application(door)(self.scope, self.receive, self.send)
        return asyncio.ensure_future(visiting)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_ends_its_run(
    stream: bool, stuck: Any, door: Any, body: Any, lines: list[str]
) -> None:
    entered, visitor = door(stuck), Visitor(body(stream=stream))
    visiting = visitor.visit(entered)
    await until(lambda: bool(stuck.came))
    assert entered.admission.running == 1
    visitor.left.set()
    await visiting
    assert (stuck.ended, entered.admission.running, visitor.heard) == (1, 0, [])
    assert '"POST /v1/chat/completions" 499' in lines[-1]


async def test_a_client_that_leaves_the_queue_keeps_nobody_waiting(
    stuck: Any, door: Any, body: Any
) -> None:
    entered = door(stuck, Limits(in_flight=1))
    first, second, third = (Visitor(body()) for _ in range(3))
    tasks = [one.visit(entered) for one in (first, second, third)]
    await until(lambda: entered.admission.waiting == 2)
    second.left.set()
    await tasks[1]
    first.left.set()
    await until(lambda: len(stuck.came) == 2)
    assert (entered.admission.running, entered.admission.waiting) == (1, 0)
    third.left.set()
    await asyncio.gather(*tasks)
    assert entered.admission.running == 0


async def test_more_than_may_wait_are_told_to_come_again(
    stuck: Any, door: Any, visit: Any, body: Any
) -> None:
    entered = door(stuck, Limits(in_flight=1, queue=1))
    visitors = [Visitor(body()) for _ in range(2)]
    tasks = [one.visit(entered) for one in visitors]
    await until(lambda: entered.admission.waiting == 1)
    async with visit(entered) as client:
        reply = await client.post(CHAT, json=body())
        shown = (await client.get("/metrics")).text
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "2")
    assert reply.json()["error"]["code"] == "rate_limit_exceeded"
    assert "foveal_in_flight 1.0" in shown
    assert "foveal_queue 1.0" in shown
    for one in visitors:
        one.left.set()
    await asyncio.gather(*tasks)


async def test_who_waits_when_the_server_stops_is_sent_away_and_who_runs_goes_on(
    stuck: Any, door: Any, visit: Any, body: Any
) -> None:
    entered = door(stuck, Limits(in_flight=1))
    running, waiting = Visitor(body()), Visitor(body())
    tasks = [one.visit(entered) for one in (running, waiting)]
    await until(lambda: entered.admission.waiting == 1)
    entered.admission.close()
    await tasks[1]
    assert waiting.heard[0]["status"] == 503
    assert not tasks[0].done()
    async with visit(entered) as client:
        late = await client.post(CHAT, json=body())
        ready = await client.get("/readyz")
    assert (late.status_code, late.json()["error"]["code"]) == (503, "stopping")
    assert (ready.status_code, ready.json()) == (503, {"ready": False})
    running.left.set()
    await tasks[0]


async def test_a_run_that_takes_too_long_is_given_up(
    stuck: Any, door: Any, visit: Any, body: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("foveal.http.chat.GRACE", 0.0)
    async with visit(door(stuck, Limits(seconds=0.01))) as client:
        reply = await client.post(CHAT, json=body())
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "timeout")
    assert stuck.ended == 1


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_not_read(
    declared: bool, stuck: Any, door: Any, visit: Any
) -> None:
    async def pieces() -> Any:
        for _ in range(3):
            yield b"x" * 1000

    content = b"x" * 3000 if declared else pieces()
    async with visit(door(stuck, Limits(body=2000))) as client:
        reply = await client.post(
            CHAT, content=content, headers={"Content-Type": "application/json"}
        )
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")
    assert not stuck.came


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{", "application/json", 400),
        (b"[]", "application/json; charset=utf-8", 400),
        (b'{"model": "\xff"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
    ],
)
async def test_what_is_no_json_object_is_refused(
    content: bytes, kind: str, status: int, stuck: Any, door: Any, visit: Any
) -> None:
    async with visit(door(stuck)) as client:
        reply = await client.post(CHAT, content=content, headers={"Content-Type": kind})
    assert reply.status_code == status
    assert reply.json()["error"]["message"]


async def test_a_place_that_comes_as_its_taker_goes_is_passed_on() -> None:
    admission = Admission(Limits(in_flight=1))
    order: list[str] = []

    async def enter(name: str) -> None:
        async with admission.one():
            order.append(name)
            await leave.wait()
        if name == "a":  # b was handed the place and has not run yet
            tasks[1].cancel()

    leave = asyncio.Event()
    tasks = [asyncio.create_task(enter(name)) for name in "abc"]
    await until(lambda: admission.waiting == 2)
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == ["a", "c"]
    assert (admission.running, admission.waiting) == (0, 0)


async def test_nobody_is_let_in_after_the_end() -> None:
    admission = Admission(Limits())
    admission.close()
    with pytest.raises(Refusal, match="stopping"):
        async with admission.one():
            raise AssertionError("it was let in")
