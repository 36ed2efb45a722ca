"""An agent as a tool of a tool-calling LangChain agent, which is told the answer and shown what it rests on."""

import io
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from langchain_core.messages.content import create_image_block, create_text_block
from langchain_core.tools import StructuredTool, ToolException
from langgraph.graph.state import CompiledStateGraph
from PIL import Image
from pydantic import BaseModel, Field

from foveal.agent.errors import FovealError, InputError
from foveal.graphs.marked import jpeg, marked
from foveal.graphs.result import Result
from foveal.graphs.taking import Owner
from foveal.tools.images import Images, several

NAME = "ask_image"
ABOUT = (
    "Answers a question about an image by looking at it closely: what there is, how many, where, what is nearer "
    "or larger, what is written. It says how sure it is, and which parts of the image the answer rests on. "
    "Ask one thing at a time."
)
LINES = 16
"""Parts of the image that are listed and marked."""

Told = tuple[list[Any], dict[str, Any]]
"""Content blocks for the model, and the whole result, as JSON, for the program around it."""


class About(BaseModel):
    """What the tool is asked about the image that it has."""

    question: str = Field(description="What to find out, as one short question")


class Named(About):
    """What the tool is asked, and about which image."""

    image: str = Field(description="The image: a path, or an http(s) or data URL")


def as_tool(
    graph: CompiledStateGraph[Any, Any, Any, Any],
    owner: Owner,
    image: Images | None = None,
    name: str | None = None,
    description: str | None = None,
) -> StructuredTool:
    """The tool. With an `image` it is asked about that one alone; else the model that calls it names one."""
    bound = None if image is None else [_named(one, owner) for one in several(image)]

    def asked(question: str, image: str | None) -> dict[str, Any]:
        return {"image": image or bound, "question": question}

    def ask(question: str, image: str | None = None) -> Told:
        try:
            return _told(graph.invoke(asked(question, image)), owner)
        except FovealError as error:
            raise ToolException(str(error)) from error

    async def aask(question: str, image: str | None = None) -> Told:
        try:
            return _told(await graph.ainvoke(asked(question, image)), owner)
        except FovealError as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        ask,
        aask,
        name or NAME,
        description or ABOUT,
        args_schema=Named if bound is None else About,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


def _named(image: Any, owner: Owner) -> str:
    """An image by text: where it is, or, for pixels, all of it."""
    if isinstance(image, str | Path) and str(image) != "-":
        return str(image)
    (pixels,) = owner.pictures(image)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"


def _told(reply: dict[str, Any], owner: Owner) -> Told:
    if "result" not in reply:
        raise InputError(
            "a person is to approve what is looked at; use it in a graph that has a checkpointer"
        )
    result = Result[Any].model_validate(reply["result"])
    text = create_text_block("\n".join(_lines(result)))
    pictures = [
        create_image_block(base64=b64encode(data).decode(), mime_type="image/jpeg")
        for data in _pictures(result, owner)
    ]
    return [text, *pictures], reply["result"]


def _lines(result: Result) -> Iterator[str]:
    """The result in words, for a model."""
    sure = "" if result.confidence is None else f" (confidence {100 * result.confidence:.0f} %)"
    yield f"{result.answer}{sure}" if result.answer else "no answer"
    if result.evidence:
        yield "It rests on these parts, marked in the image; left, top, right, bottom in pixels of the original:"
    for number, piece in enumerate(result.evidence[:LINES], start=1):
        where = ",".join(f"{side:g}" for side in piece.box)
        of = "" if piece.image is None else f" of image {piece.image}"
        yield f"{number}. {piece.label or 'a region'} at {where}{of}"
    if len(result.evidence) > LINES:
        yield f"and {len(result.evidence) - LINES} more"
    yield from (f"note: {note}" for note in result.notes)


def _pictures(result: Result, owner: Owner) -> Iterator[bytes]:
    """Each image that the answer rests on, with its marks; those that the store has let go of are left out."""
    pieces = list(enumerate(result.evidence[:LINES], start=1))
    for number, key in enumerate(result.images or (result.image,), start=1):
        mine = [(n, piece.box) for n, piece in pieces if (piece.image or 1) == number]
        if mine and key in owner.store:
            yield jpeg(marked(owner.store.pixels(key), mine))
