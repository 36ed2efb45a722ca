"""Read: a real photograph, with the weights of RapidOCR's own wheel."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from foveal.agent.actions import Detect, Object, Read
from foveal.agent.errors import SetupError
from foveal.agent.observations import Box, Line, Recognised
from foveal.tools import reader as reading
from foveal.tools.base import Mark, Request
from foveal.tools.images import load_image
from foveal.tools.reader import Reader, in_reading_order

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.packaged()


@pytest.fixture(scope="module")
def bus() -> Pixels:
    from foveal.tools.quiet import import_ultralytics

    import_ultralytics()
    from ultralytics.utils import ASSETS

    return load_image(ASSETS / "bus.jpg")


def read(reader: Reader, pixels: Pixels, *xyxy: float) -> tuple[Line, ...]:
    marks = (Mark(Box(image="a", xyxy=(xyxy[0], xyxy[1], xyxy[2], xyxy[3]))),) if xyxy else ()
    action = Read(target=Object(index=1)) if xyxy else Read()
    seen = reader.run([Request(action, "a", pixels, marks)])[0].observation
    assert isinstance(seen, Recognised)
    return seen.lines


def test_what_is_written_on_the_bus(reader: Reader, bus: Pixels) -> None:
    lines = read(reader, bus)
    assert "cero emisiones" in " ".join(line.text for line in lines)
    for line in lines:
        x0, y0, x1, y1 = line.box.xyxy
        assert 0 <= x0 < x1 <= bus.shape[1]
        assert 0 <= y0 < y1 <= bus.shape[0]
        assert 0.5 <= line.score <= 1


def test_a_region_reads_the_same_words_at_the_same_place(reader: Reader, bus: Pixels) -> None:
    [whole] = [line for line in read(reader, bus) if line.text == "emisiones"]
    [part] = [line for line in read(reader, bus, 520, 530, 720, 640) if "emisiones" in line.text]
    assert np.abs(np.subtract(whole.box.xyxy, part.box.xyxy)).max() < 25


def sign(text: str, size: int) -> Pixels:
    image = Image.new("RGB", (300, 200), (220, 220, 210))
    draw = ImageDraw.Draw(image)
    draw.text((120, 90), text, fill=(20, 20, 20), font=ImageFont.load_default(size))
    return np.asarray(image)


def test_small_print_is_enlarged(reader: Reader) -> None:
    [line] = read(reader, sign("HOTEL", 10), 115, 85, 165, 110)
    assert line.text == "HOTEL"
    x0, y0, x1, y1 = line.box.xyxy
    assert 110 < x0 < 125 < 140 < x1 < 165
    assert 85 < y0 < 95 < 98 < y1 < 110


@pytest.mark.parametrize("shape", [(50, 50, 3), (1, 1, 3), (3, 400, 3)])
def test_nothing_to_read(reader: Reader, shape: tuple[int, int, int]) -> None:
    assert read(reader, np.zeros(shape, np.uint8)) == ()


def test_it_warms_up_without_a_word(reader: Reader, capfd: pytest.CaptureFixture[str]) -> None:
    reader.warm_up()
    assert capfd.readouterr() == ("", "")


def test_other_actions_are_refused(reader: Reader, bus: Pixels) -> None:
    with pytest.raises(TypeError, match="at most one target"):
        reader.run([Request(Detect(phrase="x"), "a", bus)])


def test_missing_weights_are_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="packaged weights are missing"):
        reading._weights(tmp_path)


def test_reading_order() -> None:
    places = {
        "b": (50, 2, 90, 12),
        "a": (0, 0, 40, 10),
        "d": (30, 18, 60, 30),
        "c": (0, 20, 20, 30),
    }
    lines = [Line(text=t, box=Box(image="i", xyxy=xyxy), score=1) for t, xyxy in places.items()]
    assert [line.text for line in in_reading_order(lines)] == ["a", "b", "c", "d"]
