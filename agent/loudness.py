"""Whether more than answers is said: one switch for every layer, the level of the logger `foveal`."""

import logging

LOGGER = "foveal"


def quiet() -> bool:
    """Whether notes, progress and announcements are to be left out; errors never are."""
    return not logging.getLogger(LOGGER).isEnabledFor(logging.WARNING)
