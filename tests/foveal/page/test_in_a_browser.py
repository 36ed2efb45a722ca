"""The page in Chromium: every hop is there, drawn where it was, and it can be used by eye, by hand and by key."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from foveal.cli import main
from foveal.graphs.agent import Agent
from foveal.graphs.trace import Event

Write = Callable[[list[Event]], Path]

TALL = {"width": 1100, "height": 1000}
DETECT, SEGMENT = (27, 102, 217), (166, 38, 164)
PLACE = """([number, x, y]) => {
  const svg = document.querySelector(`#hop-${number} .plate svg`), box = svg.getBoundingClientRect();
  svg.scrollIntoView({block: "center", behavior: "instant"});
  const moved = svg.getBoundingClientRect(), [, , w, h] = svg.getAttribute("viewBox").split(" ").map(Number);
  return [moved.left + x * moved.width / w, moved.top + y * moved.height / h];
}"""
CONTRAST = """() => {
  const level = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * level(r) + 0.7152 * level(g) + 0.0722 * level(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const worded = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  const hidden = (e) => !e.getClientRects().length || /^(script|style|title)$/i.test(e.tagName);
  const ratio = (e) => {
    const style = getComputedStyle(e), ink = e instanceof SVGElement ? style.fill : style.color;
    const [less, more] = [light(parse(ink)), light(behind(e))].sort((a, b) => a - b);
    return (more + 0.05) / (less + 0.05);
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => worded(e) && !hidden(e) && ratio(e) < 4.5)
    .map((e) => `${e.tagName} ${e.textContent.slice(0, 30)} ${ratio(e).toFixed(2)}`);
}"""


@pytest.fixture
def page_of(written: Write, tmp_path: Path) -> Callable[..., Path]:
    """Writes the page of some events."""

    def write(events: list[Event], *options: str) -> Path:
        out = tmp_path / "page.html"
        assert main(["trace", str(written(events)), "--out", str(out), "--no-open", *options]) == 0
        return out

    return write


def screenshot(page: Any) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))


def colour_at(page: Any, hop: int, x: float, y: float) -> NDArray[np.int64]:
    """What is seen where this pixel of the image is drawn, in the figure of this hop."""
    left, top = page.evaluate(PLACE, [hop, x, y])
    found: NDArray[np.int64] = screenshot(page)[round(top), round(left)].astype(int)
    return found


def drawn_at(page: Any, hop: int, x: float, y: float, ink: tuple[int, ...]) -> bool:
    """Whether a line of this colour runs within two pixels of the screen of where this pixel is drawn."""
    left, top = (round(side) for side in page.evaluate(PLACE, [hop, x, y]))
    around = screenshot(page)[top - 2 : top + 3, left - 2 : left + 3].astype(int)
    return bool((np.abs(around - ink).max(axis=2) <= 24).any())


def near(colour: NDArray[np.int64], other: tuple[int, ...]) -> bool:
    return bool(np.abs(colour - other).max() <= 24)


def test_every_hop_is_there(page_of: Any, everything: list[Event], window: Any) -> None:
    page = window.open(page_of(everything))
    assert page.locator("h1").inner_text() == everything[0].asked.question  # type: ignore[union-attr]
    assert page.locator(".answer").inner_text() == "the second square"
    titles = page.locator(".hop h4").all_inner_texts()
    assert titles == [
        'detect "square"',
        "outline object 2 (square)",
        "compare the distance of object 1 (square), object 2 (square)",
        "look at columns 1 to 3, rows 1 to 3 of 8 x 8",
        "read all text",
        'detect "square"',
        "look at object 9",
    ]
    assert all(
        box["width"] > 300 for box in [one.bounding_box() for one in page.locator(".hop").all()]
    )
    told = page.locator("#turns").inner_text()
    for words in ("2 found", "16 visual tokens", "asked before, answered from memory", "there is no object 9",
                  "could not be read", "The model is told:", "emitted", "injected", "0.40", "7.8 %"):  # fmt: skip
        assert words in told, words
    assert "confidence 87" in page.locator(".lead").inner_text()
    assert page.locator(".time .bar").count() == 1 + 8 + 5
    assert page.locator("#direct").inner_text().startswith("Without looking")


def test_what_is_drawn_is_where_it_was(page_of: Any, everything: list[Event], window: Any) -> None:
    page = window.open(page_of(everything), viewport=TALL)
    for x, y in ((40, 70), (70, 90), (100, 75), (180, 130), (230, 160), (280, 110)):
        assert drawn_at(page, 1, x, y, DETECT), (x, y)
    assert near(colour_at(page, 1, 150, 120), (110, 110, 110))
    assert near(colour_at(page, 1, 230, 110), (225, 222, 210))
    inside, outside = colour_at(page, 2, 205, 110), colour_at(page, 2, 260, 110)
    assert not near(inside, (225, 222, 210))  # the mask covers the left half
    assert inside[1] < outside[1] - 40
    assert near(outside, (225, 222, 210))
    assert drawn_at(page, 2, 180, 140, SEGMENT)
    far, close = colour_at(page, 3, 6, 180), colour_at(page, 3, 314, 180)
    assert close.sum() - far.sum() > 300


def test_the_drawing_can_be_taken_off(page_of: Any, everything: list[Event], window: Any) -> None:
    page = window.open(page_of(everything), viewport=TALL)
    page.keyboard.press("d")
    assert not drawn_at(page, 1, 40, 70, DETECT)
    page.keyboard.press("d")
    assert drawn_at(page, 1, 40, 70, DETECT)


def test_text_that_looks_like_markup_is_text(
    page_of: Any, everything: list[Event], window: Any
) -> None:
    page = window.open(page_of(everything))
    assert page.title() != "stolen"
    assert page.locator("script").count() == 1
    assert page.locator("img[src^=http]").count() == 0
    assert "<script>document.title" in page.locator(".rows").nth(4).inner_text()


def test_even_a_script_that_got_in_would_not_run(
    page_of: Any, everything: list[Event], browser: Any
) -> None:
    path = page_of(everything)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("<h1>", "<script>document.title = 'stolen'</script><h1>"), encoding="utf-8"
    )
    page = browser.new_context().new_page()
    page.goto(path.as_uri())
    assert page.title() != "stolen"


def test_a_walk_by_keyboard(page_of: Any, everything: list[Event], window: Any) -> None:
    page = window.open(page_of(everything), reduced_motion="reduce")

    def focused() -> Any:
        return page.evaluate("document.activeElement.id")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("j")
    assert focused() == "hop-1"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert focused() == "hop-7"
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    assert focused() == "hop-5"
    reached = set()
    page.evaluate("document.activeElement.blur(); window.getSelection().removeAllRanges()")
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(focused())
    assert {f"hop-{n}" for n in range(1, 8)} <= reached


@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_runs_over_the_edge_of_a_phone(
    page_of: Any, everything: list[Event], window: Any, width: int
) -> None:
    page = window.open(page_of(everything), viewport={"width": width, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for hop in page.locator(".hop").all():
        box = hop.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(
    page_of: Any, everything: list[Event], window: Any, scheme: str
) -> None:
    page = window.open(page_of(everything), color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate(CONTRAST) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 24)"
    assert dark == (scheme == "dark")


def test_pictures_have_names(page_of: Any, everything: list[Event], window: Any) -> None:
    page = window.open(page_of(everything))
    for one in page.locator("svg[role=img]").all():
        assert one.get_attribute("aria-label")
    for one in page.locator("img").all():
        assert one.get_attribute("alt")


def test_without_its_image_the_page_still_shows_where(
    page_of: Any, everything: list[Event], window: Any, picture: Path
) -> None:
    picture.unlink()
    page = window.open(page_of(everything), viewport=TALL)
    assert "give the image with --image" in page.locator(".lead").inner_text()
    assert drawn_at(page, 1, 40, 70, DETECT)
    assert near(colour_at(page, 1, 150, 120), (233, 236, 239))


def test_it_can_be_printed(page_of: Any, everything: list[Event], window: Any) -> None:
    page = window.open(page_of(everything))
    assert page.pdf().startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.querySelector('.toggle')).display") == "none"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.slow
def test_the_example_of_the_readme(tmp_path: Path, window: Any) -> None:
    image = Path(__file__).parents[3] / "examples" / "tabletop.png"
    with Agent("embedded", trace_dir=tmp_path) as agent:
        result = agent.ask(image, "How many red cubes are there?")
    assert main(["trace", str(result.trace)]) == 0
    page = window.open(Path(str(result.trace)).with_suffix(".html"), viewport=TALL)
    assert page.locator(".answer").inner_text() == result.answer == "3"
    assert page.locator(".hop").count() == len(result.hops) > 0
    assert len(result.evidence) == 3
    for piece in result.evidence:
        x0, y0, x1, y1 = piece.box
        assert drawn_at(page, 1, x0, (y0 + y1) / 2, DETECT)
        assert drawn_at(page, 1, x1, (y0 + y1) / 2, DETECT)
