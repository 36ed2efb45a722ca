"""Downloads: what is refused, and that a redirect is judged like a first address."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from foveal.agent.errors import InputError
from foveal.tools import fetch as fetching
from foveal.tools.fetch import fetch
from foveal.tools.images import load_image

HOME = ("127.0.0.1/32",)

REFUSED = [
    ("file:///etc/passwd", "only http and https"),
    ("ftp://127.0.0.1/x.png", "only http and https"),
    ("gopher://127.0.0.1/", "only http and https"),
    ("http://", "only http and https"),
    ("http://127.0.0.1/x.png", "127.0.0.1 is a private address"),
    ("http://localhost/x.png", "is a private address"),
    ("http://0.0.0.0/", "private"),
    ("http://10.1.2.3/", "private"),
    ("http://172.16.0.1/", "private"),
    ("http://192.168.1.1/", "private"),
    ("http://100.64.0.1/", "private"),  # carrier-grade NAT
    ("http://169.254.169.254/latest/meta-data/", "private"),  # cloud credentials
    ("http://224.0.0.1/", "private"),
    ("http://[::1]/", "private"),
    ("http://[fe80::1]/", "private"),
    ("http://[fc00::1]/", "private"),
    ("http://[::ffff:127.0.0.1]/", "private"),
    ("http://[::ffff:10.0.0.1]/", "private"),
    ("http://[64:ff9b::7f00:1]/", "private"),  # 127.0.0.1 through NAT64
    ("http://[2002:7f00:1::]/", "private"),  # 127.0.0.1 through 6to4
    ("http://user:word@127.0.0.1/", "private"),
    ("http://127.0.0.1:99999/", "no port 99999"),
]


def test_a_private_address_names_the_setting_that_allows_it() -> None:
    with pytest.raises(InputError, match="set FOVEAL_ALLOW_PRIVATE_URLS=true or download"):
        load_image("http://127.0.0.1/x.png")


@pytest.mark.parametrize(("url", "words"), REFUSED)
def test_refused(url: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_image(url)
    assert "\n" not in str(caught.value)


class Handler(BaseHTTPRequestHandler):
    """Pictures, redirects and misbehaviour, by path."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.lstrip("/").partition("/")
        {"ok": self.picture, "to": self.redirect, "loop": self.loop, "gone": self.gone,
         "endless": self.endless}[kind](rest)  # fmt: skip

    def picture(self, _: str) -> None:
        buffer = io.BytesIO()
        Image.new("RGB", (6, 4), (255, 0, 0)).save(buffer, "PNG")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(buffer.getvalue())

    def redirect(self, rest: str) -> None:
        self.send_response(302)
        self.send_header("Location", rest)
        self.end_headers()

    def loop(self, _: str) -> None:
        self.redirect("/loop/")

    def gone(self, _: str) -> None:
        self.send_error(404)

    def endless(self, _: str) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(b"x" * 65536)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def test_an_allowed_network_is_fetched(server: str) -> None:
    pixels = load_image(f"{server}/ok/x.png", allowed_networks=HOME)
    assert np.array_equal(pixels, np.full((4, 6, 3), (255, 0, 0), np.uint8))


def test_redirects_are_followed(server: str) -> None:
    assert fetch(f"{server}/to//ok/", 10**6, HOME).startswith(b"\x89PNG")


BAD = [
    ("/to/http://127.0.0.2/x.png", "127.0.0.2 is a private address"),
    ("/to/file:///etc/passwd", "only http and https"),
    ("/loop/", "redirects more than 5 times"),
    ("/gone/", "answers 404"),
    ("/endless/", "is larger than 1 MiB"),
]


@pytest.mark.parametrize(("path", "words"), BAD)
def test_misbehaving_servers(server: str, path: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        fetch(server + path, 2**20, HOME)


def test_a_slow_download_ends(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "DEADLINE", -1.0)
    with pytest.raises(InputError, match="takes longer"):
        fetch(f"{server}/ok/", 10**6, HOME)


def test_nobody_listens() -> None:
    with pytest.raises(InputError, match="cannot be fetched"):
        fetch("http://127.0.0.1:9/", 10**6, HOME)
