"""A PostgreSQL server on a socket in a folder of its own, for tests of what is kept there."""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

SERVANT = "nobody"
"""PostgreSQL refuses to run as root; then it runs as this user."""


def program(name: str) -> str | None:
    """The path of one of the server's programs, which Debian keeps off the usual one."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(beside[-1]) if beside else None)


class Server:
    """Started when made; `close` stops it and removes what it wrote."""

    def __init__(self) -> None:
        self._root = os.geteuid() == 0
        self.user = SERVANT if self._root else getpass.getuser()
        self.folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # short: it holds a socket
        if self._root:
            who = pwd.getpwnam(SERVANT)
            os.chown(self.folder, who.pw_uid, who.pw_gid)
        self._run("initdb", "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C")
        self.start()

    @property
    def address(self) -> str:
        """As `--checkpoint` takes it."""
        return f"postgres://{self.user}@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        quick = "-c fsync=off -c shared_buffers=16MB -c max_connections=20"
        place = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'"
        self._run("pg_ctl", "-w", "-l", f"{self.folder}/log", "-o", f"{place} {quick}", "start")

    def stop(self) -> None:
        """Stop it as a crash would."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.folder)

    def _run(self, name: str, *arguments: str) -> None:
        path, said = program(name), self.folder / f"{name}.txt"
        assert path is not None
        with said.open("wb") as out:  # no pipe: the server would hold it open
            done = subprocess.run(
                [path, "--pgdata", f"{self.folder}/data", *arguments],
                user=self.user if self._root else None,
                group=pwd.getpwnam(self.user).pw_gid if self._root else None,
                extra_groups=[] if self._root else None,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        assert done.returncode == 0, said.read_text(encoding="utf-8")
