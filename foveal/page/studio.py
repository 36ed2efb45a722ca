"""`agent ui`: a page in the browser to drop an image on, ask, watch the hops and approve what is looked at.

Gradio serves it. It is told not to count its users, and its own page asks nothing but this machine.
"""

import os
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveal.agent.choosing import choose
from foveal.agent.errors import InputError
from foveal.agent.settings import settings
from foveal.graphs.agent import Agent
from foveal.http.auth import Auth, is_loopback
from foveal.page.watching import Watch, blank, decision_of
from foveal.terminal import own_stdout
from foveal.tools.extras import needs

if TYPE_CHECKING:
    from gradio import Blocks

USER = "foveal"
"""The name to log in with, where a token is asked for."""
KEPT = 3600
"""Seconds that uploaded images are kept."""
HERE = Path(__file__).parent
WELCOME = "Drop an image, ask something about it, and watch where it looks."

Shown = tuple[str, Any, Watch | None]
"""What is on the page, whether it asks for approval, and the run."""


@dataclass(frozen=True)
class Order:
    """What `agent ui` was told."""

    host: str = "127.0.0.1"
    port: int = 7860
    """0 for any free one."""
    profile: str | None = None
    model: str | None = None
    base_url: str | None = None
    trigger: str | None = None
    approve: str | None = None
    """Actions that wait for a person, by comma."""
    trace: str | None = None


def serve(order: Order) -> int:
    """Serve the page until interrupted. Returns the exit code. Raises InputError where everybody could come in."""
    secret = settings().token
    token = secret.get_secret_value() if secret else None
    if token is None and not is_loopback(order.host):
        raise InputError(
            f"--host {order.host} can be reached from elsewhere: set FOVEAL_TOKEN, which is then asked for"
        )
    chosen = choose(order.profile, order.model, order.trigger, order.base_url)
    with own_stdout() as out, Agent(chosen, approve=order.approve, trace_dir=order.trace) as agent:
        address, blocks = opened(agent, order.host, order.port, token)
        try:
            out.write(f"{address}\n")
            out.flush()
            _until_told()
        finally:
            blocks.close(verbose=False)
    return 0


def opened(agent: Agent, host: str, port: int, token: str | None = None) -> tuple[str, "Blocks"]:
    """The page, being served: its address, and what closes it. A token is asked for away from this machine."""
    blocks = studio(agent)
    free = port or _free_port(host)
    try:
        _, address, _ = blocks.launch(
            server_name=host,
            server_port=free,
            auth=None if is_loopback(host) or token is None else _login(token),
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            footer_links=[],
            app_kwargs={"middleware": [_guard(host)]},
            max_file_size="100mb",
            head=f"<style>{_style()}</style>",
            theme=_theme(),
        )
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{free}: {error}") from None
    return address, blocks


def studio(agent: Agent) -> "Blocks":
    """The page itself."""
    gr = _gradio()
    made: Blocks
    with gr.Blocks(
        title="foveal", analytics_enabled=False, delete_cache=(KEPT, KEPT), fill_width=True
    ) as made:
        run = gr.State(None)
        with gr.Row():
            with gr.Column(scale=2, min_width=280):
                image = gr.Image(
                    label="Image", type="filepath", image_mode=None, sources=["upload", "clipboard"],
                    elem_id="image", buttons=[],
                )  # fmt: skip
                question = gr.Textbox(
                    label="Question",
                    placeholder="How many red cubes are there?",
                    elem_id="question",
                )
                with gr.Row():
                    ask = gr.Button("Ask", variant="primary", elem_id="ask")
                    stop = gr.Button("Stop", elem_id="stop")
                with gr.Group(visible=False, elem_id="approval") as approval:
                    accept = gr.Button("Allow", variant="primary", elem_id="accept")
                    region = gr.Textbox(
                        label="Or somewhere else: left, top, right, bottom in pixels",
                        elem_id="region",
                    )
                    edit = gr.Button("Look there instead", elem_id="edit")
                    reject = gr.Button("Refuse", elem_id="reject")
            with gr.Column(scale=3, min_width=280):
                shown = gr.HTML(blank(WELCOME), elem_id="shown", apply_default_css=False)
        outputs = [shown, approval, run]
        quietly: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        asking = gr.on(
            [ask.click, question.submit], _asking(agent), [image, question], outputs, **quietly
        )
        going = [
            button.click(_deciding(kind), [run, region], outputs, **quietly)
            for kind, button in (("accept", accept), ("edit", edit), ("reject", reject))
        ]
        stop.click(_stopped, None, outputs, cancels=[asking, *going], **quietly)
    return made


def _asking(agent: Agent) -> Any:
    async def ask(image: str | None, question: str) -> AsyncIterator[Shown]:
        watch = Watch(agent, image or "", question)
        async for scene in watch.ask():
            yield scene.html, _visible(scene.waits), watch

    return ask


def _deciding(kind: str) -> Any:
    async def decide(watch: Watch | None, region: str) -> AsyncIterator[Shown]:
        if watch is None:
            return
        try:
            decision = decision_of(kind, region)
        except InputError as error:
            yield (await watch.scene(str(error))).html, _visible(True), watch
            return
        async for scene in watch.go_on(decision):
            yield scene.html, _visible(scene.waits), watch

    return decide


def _stopped() -> Shown:
    return blank("Stopped."), _visible(False), None


def _visible(shown: bool) -> Any:
    return _gradio().update(visible=shown)


def _gradio() -> Any:
    with needs("ui"):
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
        import gradio

        return gradio


def _theme() -> Any:
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
    return _gradio().themes.Base(font=fonts, font_mono=["ui-monospace", "Menlo", "monospace"])


def _style() -> str:
    """The style sheet of a page, for a part of one: what it says of the whole is said of that part."""
    css = (HERE / "page.css").read_text(encoding="utf-8")
    part = ".foveal { " + css.replace(":root", "&").replace("body {", "& {") + " }"
    return part + (HERE / "live.css").read_text(encoding="utf-8")


def _guard(host: str) -> Any:
    """Answers on this machine only to whoever calls it by its own name: no page elsewhere can ask through it."""
    from starlette.middleware import Middleware

    return Middleware(Auth, token=None, local=is_loopback(host))


def _login(token: str) -> Any:
    return lambda name, word: name == USER and secrets.compare_digest(word.encode(), token.encode())


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listener:
        return int(listener.getsockname()[1])


def _until_told() -> None:
    """Wait for an interrupt or to be terminated."""
    over = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: over.set())
    try:
        over.wait()
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
