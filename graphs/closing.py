"""What has to be closed closes at the end of a `with` or an `async with`."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """A context manager of both kinds, out of two ways to close."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything. Closing twice is fine."""

    @abstractmethod
    async def aclose(self) -> None:
        """The same, for use with `await`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()
