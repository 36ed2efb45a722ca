"""What observations promise about their numbers."""

from foveal.agent.observations import Box, Found, Range


def test_numbers_that_differ_only_by_how_they_were_computed_are_told_alike() -> None:
    """One thread and two gave boxes that differed in the fifth decimal, and so different evidence."""
    alone = Box(image="a", xyxy=(106.7613525390625, 93.30279541015625, 126.593505859375, 116.05426))
    together = Box(image="a", xyxy=(106.7613525390625, 93.30279541, 126.5935287475586, 116.05427))
    assert alone == together
    assert alone.xyxy == (106.8, 93.3, 126.6, 116.1)
    one, other = (Found(label="x", box=alone, score=s) for s in (0.519973874092102, 0.51997339725))
    assert one == other
    assert Range(box=alone, depth=0.44444444).depth == 0.444


def test_rounding_twice_changes_nothing() -> None:
    box = Box(image="a", xyxy=(0.04, 0.16, 1.25, 2.35))
    assert Box.model_validate_json(box.model_dump_json()) == box
