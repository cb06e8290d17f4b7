"""Notes: Markdown in, HTML out that is safe to put into a page."""

from collections.abc import Sequence
from functools import cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
"""What a note may hold: no pictures, no styles, no headings above those of the page."""
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6"}


@cache
def _markdown() -> MarkdownIt:
    """CommonMark with tables and strikethrough; raw HTML is text. Addresses become links."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])

    for rule in ("heading_open", "heading_close"):
        markdown.add_render_rule(rule, _lowered)
    return markdown


def _lowered(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A heading two levels lower: the page has its own above."""
    tokens[index].tag = HEADINGS.get(tokens[index].tag, tokens[index].tag)
    return renderer.renderToken(tokens, index, options, env)


def render(text: str) -> str:
    """The note as HTML: only TAGS, links only to http, https and mailto, each with rel that tells them nothing."""
    html = str(_markdown().render(text))
    return nh3.clean(html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "mailto"})
