"""Downloads over http(s) that cannot be talked into reaching this machine or its neighbours.

Every hop, redirects included, is resolved once, its address checked, and that very address connected to, so that
a name cannot resolve to something else in between. Proxies from the environment are not used: they would resolve
names out of sight.
"""

import ipaddress
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from foveal.agent.errors import InputError

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
SILENCE = 10.0
"""Seconds without a byte before giving up."""
DEADLINE = 60.0
"""Seconds for the whole download."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def fetch(url: str, max_bytes: int, allowed_networks: Sequence[str] = ()) -> bytes:
    """The body behind a URL. Raises InputError when it is refused, unreachable, too large or too slow."""
    import httpx

    until = time.monotonic() + DEADLINE
    try:
        with httpx.Client(trust_env=False, timeout=SILENCE, headers=_HEADERS) as client:
            return _follow(client, httpx.URL(url), max_bytes, allowed_networks, until)
    except httpx.InvalidURL as error:
        raise InputError(f"{url} is not a valid URL: {error}") from error
    except httpx.TimeoutException as error:
        raise InputError(f"{url} does not answer; try again or download it first") from error
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise InputError(f"{url} cannot be fetched: {reason}; download it first") from error


_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "foveal"}


def _follow(
    client: "httpx.Client", url: "httpx.URL", max_bytes: int, allowed: Sequence[str], until: float
) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        with client.stream("GET", **_pinned(url, allowed)) as response:
            if not response.has_redirect_location:
                return _body(response, url, max_bytes, until)
            url = url.join(response.headers["location"])
    raise InputError(f"{url} redirects more than {MAX_REDIRECTS} times; give the final address")


def _pinned(url: "httpx.URL", allowed: Sequence[str]) -> dict[str, Any]:
    """The same request to the checked address itself; the name stays in Host and in TLS."""
    if url.scheme not in ("http", "https") or not url.host:
        raise InputError(f"{url} is refused: only http and https URLs are fetched")
    address = _resolve(url, allowed)
    return {
        "url": url.copy_with(host=str(address)),
        "headers": {"Host": url.netloc.decode("ascii")},
        "extensions": {"sni_hostname": url.host},
    }


def _resolve(url: "httpx.URL", allowed: Sequence[str]) -> Address:
    port = url.port or (443 if url.scheme == "https" else 80)
    if port > 65535:
        raise InputError(f"{url} is not a valid URL: there is no port {port}")
    try:
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InputError(
            f"{url.host} cannot be resolved; check the address or your network"
        ) from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
    for address in addresses:
        if not _is_public(address) and not _is_allowed(address, allowed):
            raise InputError(
                f"{url} is refused: {address} is a private address; "
                "set FOVEAL_ALLOW_PRIVATE_URLS=true or download the image first"
            )
    return addresses[0]


def _is_public(address: Address) -> bool:
    inner = _embedded(address)
    return inner.is_global and not inner.is_multicast


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def _is_allowed(address: Address, allowed: Sequence[str]) -> bool:
    return any(address in ipaddress.ip_network(network, strict=False) for network in allowed)


def _body(response: "httpx.Response", url: "httpx.URL", max_bytes: int, until: float) -> bytes:
    if response.status_code != 200:
        raise InputError(
            f"{url} answers {response.status_code} {response.reason_phrase}; check the address"
        )
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise InputError(f"{url} is larger than {max_bytes >> 20} MiB; give a smaller image")
        if time.monotonic() > until:
            raise InputError(f"{url} takes longer than {DEADLINE:g} s; download it first")
    return bytes(body)
