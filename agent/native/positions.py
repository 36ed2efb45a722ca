"""Multimodal rotary positions, one stretch of context at a time.

Text counts up on all three axes. An image's tokens share one time, and count rows and columns from there;
what follows goes on from the largest position used. Same as Qwen2-VL over the whole sequence.
"""

Positions = tuple[list[int], list[int], list[int]]
"""Time, height and width of every token."""


def text_positions(count: int, start: int) -> tuple[Positions, int]:
    """Positions of `count` text tokens from `start`, and where the next token stands."""
    line = list(range(start, start + count))
    return (line, line[:], line[:]), start + count


def visual_positions(
    grid: tuple[int, int, int], start: int, merge: int = 2
) -> tuple[Positions, int]:
    """Positions of an image's merged tokens from `start`, and where the next token stands.

    `grid` counts frames, rows and columns of patches before the merge.
    """
    frames, rows, columns = grid[0], grid[1] // merge, grid[2] // merge
    time = [start + t for t in range(frames) for _ in range(rows * columns)]
    height = [start + y for _ in range(frames) for y in range(rows) for _ in range(columns)]
    width = [start + x for _ in range(frames * rows) for x in range(columns)]
    return (time, height, width), start + max(frames, rows, columns)
