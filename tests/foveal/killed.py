"""The command line with the embedded profile, which notes every call of a specialist; run as a program by tests.

Each call appends a line to the file named by CALLS. Before call number KILL, from 1 and of this process, the
process is killed as `kill -9` kills it.
"""

import os
import signal
import sys
from typing import Any

from foveal.cli import main
from foveal.tools import dispatch

real = dispatch.answers
calls = [0]


def counted(name: str, specialist: Any, batch: Any) -> Any:
    """One more call, noted where a dead process has noted it too."""
    calls[0] += 1
    if calls[0] == int(os.environ.get("KILL", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
    with open(os.environ["CALLS"], "a", encoding="utf-8") as file:
        file.writelines(f"{name} {request.action.kind}\n" for request in batch)
    return real(name, specialist, batch)


if __name__ == "__main__":
    dispatch.answers = counted
    sys.exit(main())
