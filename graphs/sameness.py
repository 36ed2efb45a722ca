"""When two answers are the same in other spelling."""

import re
import unicodedata

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def normalised(answer: str) -> str:
    """The words of an answer, without case, articles, punctuation and extra space.

    An answer that is nothing but an article keeps it: a sign may say "A".
    """
    folded = unicodedata.normalize("NFKC", answer).casefold()
    words = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in folded)
    return " ".join(_ARTICLES.sub(" ", words).split()) or " ".join(words.split())
