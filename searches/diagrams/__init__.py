"""Drawings that the server makes: the architecture of a network and the lineage tree of a search, as SVG."""

from searches.diagrams.architecture import architecture_svg, thumbnail_scale, thumbnail_svg

__all__ = ["architecture_svg", "thumbnail_scale", "thumbnail_svg"]
