"""One writer for one folder, held by the operating system, so that it ends with the process however that ends."""

import fcntl
import os
from pathlib import Path

from foveal.agent.errors import InputError

NAME = ".lock"


class FolderLock:
    """An advisory lock on a folder; POSIX only, and on a network folder as good as its server."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / NAME).open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = self._holder()
            self._file.close()
            raise InputError(
                f"{folder} is being written by another run{holder}; wait for it, or give another --out"
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next one in."""
        self._file.close()

    def _holder(self) -> str:
        self._file.seek(0)
        process = self._file.read().strip()
        return f" (process {process})" if process else ""
