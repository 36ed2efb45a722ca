"""When a request is worth sending again, and how long to wait before: only for what may pass by itself."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How often and how long."""

    attempts: int = 4
    """Requests, the first included."""
    first: float = 0.5
    """Seconds before the second one; each further wait is twice as long."""
    longest: float = 8.0
    """Seconds that are waited at most by our own reckoning."""
    bidden: float = 60.0
    """Seconds that are waited at most when the server says how long; asked for more, we give up."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    async def tried(
        self,
        send: Callable[[], Awaitable[T]],
        passing: Callable[[Exception], Mapping[str, str] | None],
    ) -> T:
        """What `send` gives.

        `passing` says whether an error may pass: the headers that came with it, or None. Raises the last error.
        """
        attempt = 1
        while True:
            try:
                return await send()
            except Exception as error:
                headers = passing(error)
                wait = None if headers is None else self.wait(attempt, headers)
                if wait is None or attempt >= self.attempts:
                    raise
            attempt += 1
            await self.sleep(wait)

    def wait(self, attempt: int, headers: Mapping[str, str]) -> float | None:
        """Seconds before the next request, None when that is longer than we have."""
        asked = retry_after(headers)
        if asked is None:
            # Not all at once: clients that failed together would come back together.
            return random.uniform(0.75, 1) * min(self.longest, self.first * 2.0 ** (attempt - 1))
        return asked if asked <= self.bidden else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for: in milliseconds, in seconds, or until a date. None when it does not."""
    milliseconds, text = headers.get("retry-after-ms"), headers.get("retry-after")
    for value, unit in ((milliseconds, 1000), (text, 1)):
        try:
            return max(0.0, float(value or "") / unit)
        except ValueError:
            continue
    try:
        return max(0.0, (parsedate_to_datetime(text or "") - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
