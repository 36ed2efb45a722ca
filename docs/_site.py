"""What the site does to a page: links out of docs/ lead into the repository, which the site does not have."""

import re
from typing import Any

_OUTWARD = re.compile(r"\[([^\]]+)\]\(\.\./[^)\s]+\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """MkDocs calls it with each page: the words of such a link stay, the link goes."""
    return markdown if "/" in page.file.src_uri else _OUTWARD.sub(r"\1", markdown)
