"""`POST /v1/chat/completions`: a question in, an answer out, whole or as it comes."""

import asyncio
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from foveal.agent.errors import FovealError, SetupError
from foveal.graphs.result import Result
from foveal.graphs.trace import Event
from foveal.http.access import noted
from foveal.http.backend import Backend
from foveal.http.limits import GRACE, Admission, Limits, body
from foveal.http.metrics import Metrics
from foveal.http.question import Menu, Question, asked
from foveal.http.refusals import Refusal, broken, of_error
from foveal.http.reply import Reply, told
from foveal.http.streaming import EventStream, Gone, patiently, unless_gone
from foveal.http.telling import Teller
from foveal.terminal import one_line

LONG = 300
"""Characters of an error's message in the log: it may quote what a client sent."""


class Chat:
    """The endpoint, as an ASGI application: it has to notice clients that leave."""

    def __init__(
        self,
        backend: Backend,
        menu: Menu,
        limits: Limits,
        admission: Admission,
        metrics: Metrics,
        say: Callable[[str], None],
    ) -> None:
        self._backend, self._menu, self._limits = backend, menu, limits
        self._admission, self._metrics, self._say = admission, metrics, say

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        request, stream = Request(scope, receive), EventStream(send)
        try:
            question = asked(await body(request, self._limits.body), self._menu)
            served = self._served(question, scope, stream)
            whole = await unless_gone(receive, served)
        except (Gone, ClientDisconnect):
            noted(scope, left=True)
            return
        except Exception as error:
            refusal = self._refusal(error)
            noted(scope, error=refusal.code or refusal.status)
            if stream.begun:
                await stream.say(refusal.body)
                await stream.end()
            else:
                await refusal.response()(scope, receive, send)
            return
        if whole is not None:
            await JSONResponse(whole)(scope, receive, send)

    async def _served(
        self, question: Question, scope: Scope, stream: EventStream
    ) -> dict[str, Any] | None:
        """The reply, or None when it was streamed."""
        reply = Reply(self._menu.model, question)
        try:
            async with asyncio.timeout(self._limits.seconds + GRACE), self._admission.one():
                result = await self._answered(question, reply, stream)
        except TimeoutError:
            raise Refusal(504, "the question takes too long", code="timeout") from None
        noted(scope, run=result.run, hops=result.usage.hops, ended_by=result.ended_by)
        return None if question.stream else reply.whole(result)

    async def _answered(self, question: Question, reply: Reply, stream: EventStream) -> Result:
        teller = Teller(question.schema is not None)
        async with aclosing(self._events(question)) as events:
            if question.stream:
                return await _streamed(events, reply, teller, stream, question.count)
            return await _listened(events, reply, teller)

    async def _events(self, question: Question) -> AsyncGenerator[Event, None]:
        async with aclosing(self._backend.events(question)) as events:
            async for event in events:
                self._metrics.hear(event)
                yield event

    def _refusal(self, error: Exception) -> Refusal:
        """What the client is told; what is for the server's owner goes into the log."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, SetupError):
            self._say(f"cannot answer: {one_line(error)[:LONG]}")
        if isinstance(error, FovealError):
            return of_error(error)
        where = "".join(traceback.format_tb(error.__traceback__))
        self._say(f"a bug: {type(error).__name__}: {one_line(error)[:LONG]}\n{where}")
        return broken()


async def _listened(events: AsyncGenerator[Event, None], reply: Reply, teller: Teller) -> Result:
    async for event in events:
        if event.kind == "started":
            reply.started = event
        for delta in teller.hear(event):
            reply.add(delta)
        if event.kind == "finished":
            result = event.result
    return result


async def _streamed(
    events: AsyncGenerator[Event, None],
    reply: Reply,
    teller: Teller,
    stream: EventStream,
    count: bool,
) -> Result:
    """Tell a run as it goes. Each hop's event is told before its words."""
    async with aclosing(patiently(events)) as patient:
        async for event in patient:
            if event is None:
                await stream.wait()
                continue
            if event.kind == "started":
                reply.started = event
                await stream.say(reply.chunk({"role": "assistant", "content": ""}))
            if (typed := told(event)) is not None:
                await stream.say(reply.chunk({}, foveal={"event": typed}))
            for delta in teller.hear(event):
                await stream.say(reply.chunk(delta))
            if event.kind == "finished":
                result = event.result
    await stream.say(reply.last(result))
    if count:
        await stream.say(reply.counted(result))
    await stream.end()
    return result
