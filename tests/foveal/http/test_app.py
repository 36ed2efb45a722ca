"""Models, health, metrics, and who is let in."""

import re
from typing import Any

import pytest

from foveal.agent.errors import InputError, SetupError
from foveal.http.auth import checked_binding
from foveal.http.question import Menu

CHAT = "/v1/chat/completions"


async def test_the_one_model_is_listed(stuck: Any, door: Any, visit: Any) -> None:
    async with visit(door(stuck, menu=Menu("team/model"))) as client:
        listed = (await client.get("/v1/models")).json()
        one = await client.get("/v1/models/team/model")
        other = await client.get("/v1/models/another")
    assert [model["id"] for model in listed["data"]] == ["team/model"]
    assert one.json() == listed["data"][0]
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")


async def test_it_is_alive_before_it_is_ready(stuck: Any, door: Any, visit: Any) -> None:
    stuck.ready = False
    async with visit(door(stuck)) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok", "ready": False}
        assert (await client.get("/readyz")).status_code == 503
        stuck.ready = True
        assert (await client.get("/healthz")).json() == {"status": "ok", "ready": True}
        assert (await client.get("/readyz")).json() == {"ready": True}


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("Bearer secret", True),
        ("bearer  secret", True),
        ("Bearer Secret", False),
        ("Bearer secret2", False),
        ("Bearer ", False),
        ("Basic secret", False),
        ("secret", False),
        ("", False),
        ("Bearer s\u00e9cret", False),
    ],
)
async def test_only_the_token_opens(
    header: str, known: bool, stuck: Any, door: Any, visit: Any
) -> None:
    async with visit(door(stuck, token="secret")) as client:
        headers = {"Authorization": header.encode()}
        for path in ("/v1/models", "/metrics"):
            reply = await client.get(path, headers=headers)
            assert reply.status_code == (200 if known else 401), path
        assert (await client.get("/healthz", headers=headers)).status_code == 200
        unrouted = await client.get("/v1/nothing", headers=headers)
        assert unrouted.status_code == (404 if known else 401)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example:8000", 403),
        ("127.0.0.1.evil.example", 403),
        ("", 403),
    ],
)
async def test_without_a_token_no_name_of_others_stands_for_this_machine(
    host: str, status: int, stuck: Any, door: Any, visit: Any
) -> None:
    async with visit(door(stuck, local=True)) as client:
        reply = await client.get("/v1/models", headers={"Host": host})
        assert (await client.get("/healthz", headers={"Host": host})).status_code == 200
    assert reply.status_code == status


async def test_a_wrong_path_or_method_is_named(stuck: Any, door: Any, visit: Any) -> None:
    async with visit(door(stuck)) as client:
        nowhere = await client.post("/v1/completions", json={})
        wrong = await client.get(CHAT)
    assert (nowhere.status_code, wrong.status_code) == (404, 405)
    assert "POST /v1/completions: Not Found" in nowhere.json()["error"]["message"]
    assert wrong.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("host", "token", "no_auth", "trouble"),
    [
        ("127.0.0.1", None, False, None),
        ("localhost", None, False, None),
        ("::1", None, False, None),
        ("127.9.9.9", None, False, None),
        ("0.0.0.0", "secret", False, None),
        ("0.0.0.0", None, True, None),
        ("0.0.0.0", None, False, "set FOVEAL_TOKEN"),
        ("::", None, False, "set FOVEAL_TOKEN"),
        ("10.0.0.4", None, False, "set FOVEAL_TOKEN"),
        ("localhost.example.com", None, False, "set FOVEAL_TOKEN"),
        ("127.0.0.1", "secret", True, "exclude each other"),
        ("127.0.0.1", "s\u00e9cret", False, "no header can carry"),
    ],
)
def test_a_door_is_open_to_strangers_only_on_purpose(
    host: str, token: str | None, no_auth: bool, trouble: str | None
) -> None:
    if trouble is None:
        checked_binding(host, token, no_auth)
    else:
        with pytest.raises(InputError, match=trouble):
            checked_binding(host, token, no_auth)


def sample(text: str, name: str, **labels: str) -> float:
    """A number that was shown."""
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    found = re.search(
        rf"^{re.escape(name + ('{' + inside + '}' if inside else ''))} (\S+)$", text, re.MULTILINE
    )
    assert found is not None, f"no {name} with {inside} in {text}"
    return float(found[1])


async def test_what_was_done_is_counted_per_server(
    reciting: Any, door: Any, visit: Any, body: Any
) -> None:
    turns = ["<|detect_start|>red cube<|detect_end|>", "<|depth_start|><|depth_end|>", "2"]
    one, other = door(reciting(*turns)), door(reciting(*turns))
    async with visit(one) as client:
        await client.post(CHAT, json=body())
        await client.post(CHAT, json=body(n=2))
        await client.get("/anything/at/all")
        text = (await client.get("/metrics")).text
    assert sample(text, "foveal_requests_total", path=CHAT, status="200") == 1
    assert sample(text, "foveal_requests_total", path=CHAT, status="400") == 1
    assert sample(text, "foveal_requests_total", path="other", status="404") == 1
    assert sample(text, "foveal_request_seconds_count", path=CHAT) == 2
    assert sample(text, "foveal_hops_total") == 2
    assert sample(text, "foveal_specialist_calls_total", specialist="detector") == 1
    assert sample(text, "foveal_actions_total", kind="detect", outcome="seen") == 1
    assert sample(text, "foveal_actions_total", kind="depth", outcome="failed") == 1
    assert sample(text, "foveal_specialist_errors_total", specialist="depth") == 1
    assert sample(text, "foveal_answers_total", ended_by="answer") == 1
    assert sample(text, "foveal_tokens_total", kind="written") == 3
    async with visit(other) as client:
        text = (await client.get("/metrics")).text
    assert sample(text, "foveal_hops_total") == 0


class Broken:
    """A backend that fails."""

    ready = True

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def load(self) -> None:
        """There is nothing to load."""

    async def events(self, question: Any) -> Any:
        for event in self.failing():
            yield event

    def failing(self) -> list[Any]:
        """Raise what it fails with."""
        raise self.error


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SetupError("/secret/path is damaged", "mend it"), 503, "setup"),
        (ZeroDivisionError("/secret/path"), 500, "bug"),
    ],
)
async def test_what_is_wrong_here_is_for_the_log_and_not_for_strangers(
    error: Exception, status: int, code: str, stream: bool,
    door: Any, visit: Any, body: Any, lines: list[str],
) -> None:  # fmt: skip
    async with visit(door(Broken(error))) as client:
        reply = await client.post(CHAT, json=body(stream=stream))
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert "secret" not in reply.text
    assert "/secret/path" in lines[0]
