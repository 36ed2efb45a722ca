"""A Hugging Face Hub on loopback, as far as models are downloaded from it, with the faults that a network has."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import pytest

from foveal.agent.hub import download
from foveal.agent.hub.releases import Release

REPOSITORY = "someone/seer-2b"
WEIGHTS = bytes(range(256)) * 12_000  # 3 MB: three pieces


@dataclass
class Faults:
    """What goes wrong with files; nothing at first."""

    cut: int | None = None
    """Every file ends after so many bytes."""
    ranges: bool = True
    """Whether a part of a file may be asked for."""
    spoilt: str = ""
    """A file whose bytes are not what the listing says."""
    status: int = 0
    """Answered to every request for a file, when not 0."""
    stalls: bool = False
    """Whether a file that is cut short leaves the reader waiting until this is over."""
    over: Event = field(default_factory=Event)


@dataclass
class Hub:
    """One repository with commits, and what was asked of it."""

    commits: dict[str, dict[str, bytes]]
    """Commit id to files; the last one is `main`."""
    endpoint: str = ""
    cdn: str = ""
    """Where files in LFS are redirected to: the same server under another name."""
    faults: Faults = field(default_factory=Faults)
    refusal: tuple[int, str] | None = None
    """Status and X-Error-Code of every answer about the repository."""
    body: bytes | None = None
    """The listing, instead of the right one."""
    claims: str = ""
    """The commit that the listing names, instead of the right one."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of every request."""

    @property
    def head(self) -> str:
        return list(self.commits)[-1]

    def paths(self, kind: str = "") -> list[str]:
        """The paths asked for that contain a word."""
        return [path for path, _ in self.asked if kind in path]

    def headers(self, kind: str) -> list[dict[str, str]]:
        """The headers of the requests whose path contains a word."""
        return [headers for path, headers in self.asked if kind in path]

    def listing(self, commit: str) -> bytes:
        if self.body is not None:
            return self.body
        siblings = [_sibling(name, data) for name, data in self.commits[commit].items()]
        listed = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": self.claims or commit}
        return json.dumps(listed | {"siblings": siblings}).encode()

    def tree(self, commit: str) -> bytes:
        return json.dumps([_entry(*item) for item in self.commits[commit].items()]).encode()


def large(name: str) -> bool:
    """Whether a file is kept in LFS."""
    return name.endswith((".bin", ".safetensors"))


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def etag(name: str, data: bytes) -> str:
    return hashlib.sha256(data).hexdigest() if large(name) else git_id(data)


def _sibling(name: str, data: bytes) -> dict[str, Any]:
    stated: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git_id(data)}
    if large(name):
        digest = hashlib.sha256(data).hexdigest()
        stated["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
    return stated


class Handler(BaseHTTPRequestHandler):
    """Answers as the Hub does, from the server's `hub`."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return cast(Server, self.server).hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, path = self.hub, unquote(urlsplit(self.path).path)
        hub.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
        if hub.refusal and not path.startswith("/cdn/"):
            self.send(hub.refusal[0], b"{}", {"X-Error-Code": hub.refusal[1]})
        elif match := re.fullmatch(rf"/api/models/{REPOSITORY}/(revision|tree)/(.+)", path):
            commit = hub.head if match[2] == "main" else match[2]
            self.send(200, hub.listing(commit) if match[1] == "revision" else hub.tree(commit), {})
        elif match := re.fullmatch(rf"/{REPOSITORY}/resolve/([^/]+)/(.+)", path):
            self.resolve(hub.head if match[1] == "main" else match[1], match[2])
        elif match := re.fullmatch(r"/cdn/([^/]+)/(.+)", path):
            self.file(match[2], hub.commits[match[1]][match[2]], {})
        else:
            self.send(404, b"{}", {})

    def resolve(self, commit: str, name: str) -> None:
        data = self.hub.commits[commit][name]
        about = {"X-Repo-Commit": commit, "ETag": f'"{etag(name, data)}"'}
        if large(name):
            about |= {"X-Linked-Etag": about["ETag"], "X-Linked-Size": str(len(data))}
            self.send(302, b"", about | {"Location": f"{self.hub.cdn}/cdn/{commit}/{name}"})
        else:
            self.file(name, data, about)

    def file(self, name: str, data: bytes, headers: dict[str, str]) -> None:
        faults = self.hub.faults
        if faults.status:
            self.send(faults.status, b"", {})
            return
        data = data[:-1] + b"?" if name == faults.spoilt else data
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and faults.ranges:
            start = int(wanted[1])
            part = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            self.send(206, data[start:], headers | part, faults.cut)
        else:
            self.send(200, data, headers, faults.cut)

    def send(
        self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:cut])
        if len(body[:cut]) < len(body):
            self.close_connection = True
            if self.hub.faults.stalls:
                self.hub.faults.over.wait()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: `hub.asked` tells."""


class Server(ThreadingHTTPServer):
    """One Hub on loopback."""

    daemon_threads = True

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub
        hub.endpoint = f"http://127.0.0.1:{self.server_port}"
        hub.cdn = f"http://localhost:{self.server_port}"


def _entry(name: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": git_id(data)}
    if large(name):
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
    return entry


FILES = {
    "README.md": b"# Seer",
    "added_tokens.json": b"{}",
    "checkpoint-10/optimizer.bin": b"o" * 999,
    "config.json": b'{"model_type": "qwen2_vl_vpt"}',
    "modeling_seer.py": b"raise SystemExit",
    "pytorch_model.bin": WEIGHTS,
    "tokenizer.json": b"{}" * 500,
    "training_args.bin": b"pickle",
}
NEEDED = ["added_tokens.json", "config.json", "pytorch_model.bin", "tokenizer.json"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that this process takes for the real one, and an empty cache."""
    from huggingface_hub import constants

    hub = Hub({"a" * 40: dict(FILES)})
    server = Server(hub)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    template = f"{hub.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setenv("FOVEAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    yield hub
    hub.faults.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def release() -> Release:
    """The one model of the Hub."""
    return Release(REPOSITORY)


@pytest.fixture
def unplugged(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Takes the network away: from then on nothing answers where the Hub was."""
    from huggingface_hub import constants

    return lambda: monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
