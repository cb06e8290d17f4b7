"""What a page says."""

import html
import re


def text_of(response) -> str:
    """The words of a page's main part."""
    text = html.unescape(response.text)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text.partition("<main")[2]))
