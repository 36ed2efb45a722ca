"""The tools that an MCP client sees: what each takes, what it is for, and what comes back."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, ParamSpec

from mcp.server.mcpserver import Context, ListRoots, MCPServer, Resolve
from mcp_types import CallToolResult, ListRootsResult, ToolAnnotations
from pydantic import Field

from foveal.agent.actions import MAX_TARGETS, PerceptionKind, Phrase
from foveal.agent.errors import FovealError, InputError
from foveal.mcp import shapes, telling
from foveal.mcp.desk import Desk, Query
from foveal.mcp.places import Sides, around, within
from foveal.mcp.progress import reported
from foveal.mcp.sources import Fence, is_path, pixels_of
from foveal.tools.images import Pixels

Given = ParamSpec("Given")

INSTRUCTIONS = (
    "Looks at images closely. ask_image answers a question and says what the answer rests on; every other tool "
    "asks one specialist. An image is a path, an http(s) URL, a data URL or base64. Coordinates are pixels of "
    "the original image, from its top left corner; every answer says how large it is."
)


def client_roots(ctx: Context, image: str) -> ListRootsResult | ListRoots | None:
    """Asks a client on this machine which folders it works in, where that matters."""
    capabilities = ctx.client_capabilities
    here = ctx.headers is None  # over HTTP a client's folders are those of its own machine
    if here and is_path(image) and capabilities is not None and capabilities.roots is not None:
        return ListRoots()
    return None


Roots = Annotated[ListRootsResult | None, Resolve(client_roots)]
Image = Annotated[str, Field(description="A path, an http(s) URL, a data URL or base64.")]
Question = Annotated[str, Field(description="What to find out, in one sentence.")]
Region = Annotated[shapes.Sides | None, Field(description="A part of the image.")]
Regions = Annotated[list[shapes.Sides] | None, Field(max_length=MAX_TARGETS)]
JsonSchema = Annotated[
    dict[str, Any] | None, Field(description="A JSON schema that the answer is to fit.")
]
Kinds = Annotated[
    list[PerceptionKind] | None, Field(description="The tools that it may use; all if left out.")
]
Hops = Annotated[int | None, Field(ge=0, description="How often it may look again.")]


def _told(
    tool: Callable[Given, Awaitable[CallToolResult]],
) -> Callable[Given, Awaitable[CallToolResult]]:
    """What is ours to tell comes back as the tool's error, with its cure; the rest is logged as a crash."""

    @functools.wraps(tool)
    async def telling_errors(*args: Given.args, **kwargs: Given.kwargs) -> CallToolResult:
        try:
            return await tool(*args, **kwargs)
        except FovealError as error:
            return telling.refused(error)

    return telling_errors


class Tools:
    """Six tools over one desk. Their docstrings are what the client's model reads."""

    def __init__(self, desk: Desk, fence: Fence) -> None:
        self._desk, self._fence = desk, fence

    def offered_by(self, server: MCPServer) -> None:
        """Add them to a server."""
        tools: dict[str, Callable[..., Any]] = {
            "Ask about an image": self.ask_image,
            "Look closer": self.look,
            "Find objects": self.detect,
            "Outline an object": self.segment,
            "Compare distances": self.depth,
            "Read text": self.read,
        }
        for title, tool in tools.items():
            reads = ToolAnnotations(
                title=title,
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=True,
                open_world_hint=True,  # an image may come from the web
            )
            server.add_tool(tool, title=title, annotations=reads, structured_output=True)

    @_told
    async def ask_image(
        self,
        ctx: Context,
        roots: Roots,
        image: Image,
        question: Question,
        schema: JsonSchema = None,
        tools: Kinds = None,
        max_hops: Hops = None,
    ) -> Annotated[CallToolResult, shapes.Answered]:
        """Answer a question about an image, looking again at parts of it where that helps.

        Comes with the answer's confidence, the parts of the image that it rests on (boxes in pixels, and
        pictures: the image with the boxes numbered, then the first four close up) and notes on what limits it.
        """
        pixels = await self._pixels(image, roots)
        async with reported(ctx) as hear:
            query = Query(question, schema, tools, max_hops)
            result = await self._desk.ask(pixels, query, hear)
        return telling.answered(result, pixels)

    @_told
    async def look(
        self, roots: Roots, image: Image, region: shapes.Sides
    ) -> Annotated[CallToolResult, shapes.Looked]:
        """See one region of an image at full resolution, as a picture."""
        pixels = await self._pixels(image, roots)
        seen = await self._desk.look(pixels, within(region.xyxy, pixels))
        return telling.looked(seen, pixels)

    @_told
    async def detect(
        self, roots: Roots, image: Image, phrase: Phrase
    ) -> Annotated[CallToolResult, shapes.Found]:
        """Find everything that fits a noun phrase, as "red cube"; separate several phrases by " . "."""
        pixels = await self._pixels(image, roots)
        return telling.detected(await self._desk.detect(pixels, phrase), pixels)

    @_told
    async def segment(
        self,
        roots: Roots,
        image: Image,
        box: Region = None,
        point: shapes.Spot | None = None,
        mask: bool = False,
    ) -> Annotated[CallToolResult, shapes.Outlined]:
        """Outline the object in a box or at a point: its area in pixels, its centre, a picture with it tinted.

        Give either a box around it, which is more exact, or a point on it. With mask the outline comes also
        alone, white on black and as large as the image.
        """
        pixels = await self._pixels(image, roots)
        seen, inside = await self._desk.segment(pixels, _prompt(box, point, pixels))
        return telling.segmented(seen, inside, pixels, mask)

    @_told
    async def depth(
        self, roots: Roots, image: Image, regions: Regions = None
    ) -> Annotated[CallToolResult, shapes.Ranged]:
        """Tell near from far: a map of the whole image, near is bright, and the regions from near to far.

        Relative only: 0 is the nearest and 1 the farthest pixel of this image.
        """
        pixels = await self._pixels(image, roots)
        places = [within(region.xyxy, pixels) for region in regions or []]
        seen, near = await self._desk.depth(pixels, places)
        return telling.ranged(seen, near, pixels)

    @_told
    async def read(
        self, roots: Roots, image: Image, region: Region = None
    ) -> Annotated[CallToolResult, shapes.Text]:
        """Read the text in an image or in one region of it."""
        pixels = await self._pixels(image, roots)
        place = None if region is None else within(region.xyxy, pixels)
        return telling.recognised(await self._desk.read(pixels, place), pixels)

    async def _pixels(self, image: str, roots: ListRootsResult | None) -> Pixels:
        declared = None if roots is None else [str(root.uri) for root in roots.roots]
        fence = self._fence.within(declared)
        return await asyncio.to_thread(pixels_of, image, fence, self._desk.agent.settings)


def _prompt(box: shapes.Sides | None, point: shapes.Spot | None, pixels: Pixels) -> Sides:
    if box is not None and point is None:
        return within(box.xyxy, pixels)
    if point is not None and box is None:
        return around(point.x, point.y, pixels)
    raise InputError("give either a box or a point, not both")
