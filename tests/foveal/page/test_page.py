"""What a trace tells is told, whole or cut off, with its image or without; a wrong image is refused."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from foveal.agent.actions import Answer, Detect, Read
from foveal.agent.errors import InputError
from foveal.agent.observations import Detected, Recognised
from foveal.agent.settings import Settings
from foveal.agent.transcript import Acted, Asked, Original
from foveal.graphs.result import Evidence, Fork, Hop
from foveal.graphs.trace import Aside, Broke, Event, Resumed
from foveal.page.plates import plates
from foveal.page.render import rendered
from foveal.page.story import told
from foveal.page.timeline import timeline

SEES = Detect(phrase="square")


def text_of(events: Iterable[Event], *images: str) -> str:
    """The words of the page, without its pictures, style and script."""
    story = told(events)
    page = rendered(story, plates(story.started, images, Settings()))
    page = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", " ", page.replace("&nbsp;", " ")).split())


def test_a_page_holds_all_that_it_needs_and_forbids_the_rest(everything: list[Event]) -> None:
    story = told(everything)
    page = rendered(story, plates(story.started, (), Settings()))
    assert page.startswith("<!DOCTYPE html>")
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert len(policy) == 1
    assert policy[0].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy[0]
    outside = re.findall(r'(?:href|src)="(?!data:|#)([^"]*)"', page)
    assert outside == []
    assert " style=" not in page
    assert re.findall(r"\son\w+=", page) == []


def test_an_image_is_in_the_page_once(everything: list[Event]) -> None:
    story = told(everything)
    found = plates(story.started, (), Settings())
    page = rendered(story, found)
    assert page.count(found[0].uri) == 1
    assert page.count('href="#plate-0"') == 1 + len(story.steps)


@pytest.mark.parametrize("length", range(1, 24))
def test_a_run_that_was_cut_off_anywhere_is_shown_as_far_as_it_went(
    everything: list[Event], length: int
) -> None:
    words = text_of(everything[:length])
    assert "the trace ends before one" in words
    shown = len(told(everything[:length]).steps)
    assert words.count("injected") >= shown


def test_what_was_waited_for_is_said(recorder: Any) -> None:
    recorder.think("<|detect_start|>square<|detect_end|>", SEES)
    recorder.call(0, SEES)
    words = text_of(recorder.events)
    assert "waiting for the detector" in words
    assert "Nothing came back." in words
    asked = text_of([*recorder.events[:1], Aside(purpose="gate")])
    assert "answering without looking" in asked


def test_a_run_that_broke_off_says_why(recorder: Any) -> None:
    recorder.events.append(Broke(error="RuntimeError: <the cable>"))
    words = text_of(recorder.events)
    assert "the run broke off RuntimeError: &lt;the cable&gt;" in words


def test_a_run_taken_up_again_is_one_story(recorder: Any) -> None:
    recorder.see(SEES, Detected(phrase="square"))
    recorder.events.append(Broke(error="it was interrupted"))
    recorder.events.append(Resumed(run="r", hops=tuple(recorder.hops)))
    recorder.think("0", Answer(text="0"))
    recorder.finish("0", evidence=(), notes=())
    words = text_of(recorder.events)
    assert "The run was taken up again." in words
    assert "broke off" not in words
    assert words.count("taken up") == 1
    assert [step.number for step in told(recorder.events).steps] == [1]


def test_hops_that_only_the_result_knows_come_first(recorder: Any) -> None:
    started = recorder.events[0].model_copy(
        update={"fork": Fork(run="other", hop=1, observation=False)}
    )
    earlier = Hop(turn=1, action=SEES, specialist="detector", observation=Detected(phrase="square"))
    recorder.events[:1] = [started, Resumed(run="r", hops=(earlier,))]
    recorder.turns, recorder.hops = 1, [earlier]
    recorder.see(Read(), Recognised())
    recorder.finish("0", evidence=(), notes=())
    story = told(recorder.events)
    assert [(step.number, step.action.kind) for step in story.steps] == [(1, "detect"), (2, "read")]
    words = text_of(recorder.events)
    assert "in a run before this one" in words
    assert "Branched off run other after hop 1." in words
    assert "taken up" not in words


def test_a_conversation_is_told_before_its_last_question(recorder: Any) -> None:
    asked = recorder.events[0].asked.model_copy(update={"question": "How many <i>?"})
    answer = Acted(text="2", actions=(Answer(text="2"),))
    recorder.events[0] = recorder.events[0].model_copy(update={"past": (asked, answer)})
    assert "Asked before: How many &lt;i&gt;? Answered: 2" in text_of(recorder.events)


def test_several_images_each_have_their_place(recorder: Any, picture: Path, tmp_path: Path) -> None:
    asked: Asked = recorder.events[0].asked
    more = asked.model_copy(update={"more": (Original(image="e" * 64, size=(50, 40)),)})
    recorder.events[0] = recorder.events[0].model_copy(
        update={"asked": more, "sources": (str(picture), "")}
    )
    box = Detected(phrase="square")
    recorder.see(Detect(phrase="square", image=2), box)
    recorder.hops = [recorder.hops[0].model_copy(update={"image": 2})]
    recorder.events[-1] = recorder.events[-1].model_copy(update={"hop": recorder.hops[0]})
    pieces = (Evidence(label="a", box=(1, 1, 9, 9), score=None, action="detect", image=2),)
    recorder.finish("0", evidence=pieces, notes=())
    words = text_of(recorder.events)
    assert "image 1 of 2" in words
    assert "image 2 of 2: the trace does not say where this image is" in words
    assert told(recorder.events).steps[0].image == 1


def test_the_answer_to_a_schema_is_shown_as_json(recorder: Any) -> None:
    recorder.finish('{"n": 1}', evidence=(), notes=(), value={"n": 1, "<b>": "ü"})
    assert "{ &#34;n&#34;: 1, &#34;&lt;b&gt;&#34;: &#34;ü&#34; }" in text_of(recorder.events)


def test_confidence_is_never_told_as_certain(recorder: Any) -> None:
    recorder.think("1", Answer(text="1"))
    thought = recorder.events[-1]
    acted: Acted = thought.acted.model_copy(update={"confidence": 1.0})
    recorder.events[-1] = thought.model_copy(update={"acted": acted})
    assert "confidence 99.9 %" in text_of(recorder.events)


def test_the_image_given_must_be_the_image_of_the_run(recorder: Any, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    Image.new("RGB", (320, 200)).save(other)
    with pytest.raises(InputError, match="not the image of this run"):
        plates(recorder.events[0], [str(other)], Settings())


def test_an_image_that_changed_is_not_shown(recorder: Any, picture: Path) -> None:
    Image.new("RGB", (320, 200)).save(picture)
    [plate] = plates(recorder.events[0], (), Settings())
    assert plate.pixels is None
    assert "is another image now" in plate.missing


def test_an_address_in_a_trace_is_not_asked(recorder: Any) -> None:
    started = recorder.events[0].model_copy(update={"sources": ("http://127.0.0.1:9/x.png",)})
    [plate] = plates(started, (), Settings())
    assert plate.missing == "this image came from http://127.0.0.1:9/x.png; give it with --image"


def shown(started: Any, *given: str) -> Any:
    """The pixels that the page would show."""
    return plates(started, given, Settings())[0].pixels


def test_the_image_is_found_where_the_trace_says_or_where_it_was_moved(
    recorder: Any, picture: Path, pixels: Any
) -> None:
    assert np.array_equal(shown(recorder.events[0]), pixels)
    moved = picture.rename(picture.with_name("moved.png"))
    assert plates(recorder.events[0], (), Settings())[0].uri == ""
    assert np.array_equal(shown(recorder.events[0], str(moved)), pixels)


def test_times_are_to_scale(everything: list[Event]) -> None:
    story = told(everything)
    drawn_times = timeline(story)
    names = [lane.name for lane in drawn_times.lanes]
    assert names == [
        "without looking",
        "model",
        "detector",
        "segmenter",
        "depth",
        "encoder",
        "reader",
    ]
    [bar] = drawn_times.lanes[2].bars
    assert bar.start == pytest.approx(100 * 0.65 / story.seconds, abs=0.01)
    assert bar.width == pytest.approx(100 * 0.5 / story.seconds, abs=0.01)
    assert bar.href == "#hop-1"
    assert [words for _, words, _ in drawn_times.ticks][:3] == ["0 s", "1 s", "2 s"]
