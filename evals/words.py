"""What signs may say."""

from __future__ import annotations

import numpy as np

_LIST = """
    APPLE BAKER BEACH BIRD BOOK BREAD BRIDGE CABIN CANDLE CASTLE CHAIR CHEESE CLOCK CLOUD COAST
    COFFEE COPPER DANCE DESERT DOCTOR DREAM EAGLE EARTH EXIT FARM FLOWER FOREST FROG GARDEN GATE
    GIANT GOLD GRAPE HARBOR HORSE HOTEL HOUSE ISLAND JACKET JUICE KITE LADDER LAMP LEMON MANGO
    MARKET METAL MIRROR MONEY MOON MUSIC NEST NORTH OCEAN OPEN OTTER PAPER PARK PEACH PIANO PLANET
    POCKET QUEEN RABBIT RADIO RIVER ROBOT SALT SCHOOL SILVER SPRING STONE STOP SUGAR SUMMER TABLE
    TEA TIGER TRAIN TREE TUNNEL VALLEY VIOLIN WATER WINDOW WINTER YARD ZEBRA
"""
WORDS = tuple(_LIST.split())

ONSETS = (*"BDFGHJKLMNPRSTVWZ", "BR", "DR", "GR", "ST", "TR", "PL")
VOWELS = tuple("AEOU")
CODAS = ("", "", "N", "R", "S", "T", "L", "M", "K")


def sign_text(rng: np.random.Generator) -> str:
    """A number of one to three digits, a common word, or three to six letters that can be pronounced."""
    kind = rng.random()
    if kind < 0.3:
        # A lone digit is the hardest thing to find for a reader of text, so there are few of them.
        digits = int(rng.choice((1, 2, 3), p=(0.12, 0.4, 0.48)))
        return str(rng.integers(10 ** (digits - 1), 10**digits))
    if kind < 0.65:
        return WORDS[rng.integers(len(WORDS))]
    return _syllables(rng)


def _syllables(rng: np.random.Generator) -> str:
    while True:
        parts = [_pick(part, rng) for _ in range(2) for part in (ONSETS, VOWELS, CODAS)]
        word = "".join(parts[: rng.integers(3, 7)])
        if 3 <= len(word) <= 6:
            return word


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[rng.integers(len(options))]
