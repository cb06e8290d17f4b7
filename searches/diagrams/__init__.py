"""Drawings that the server makes: the architecture of a network and the lineage tree of a search, as SVG."""

from searches.diagrams.architecture import architecture_svg, columns_from, thumbnail_scale, thumbnail_svg
from searches.diagrams.changes import changes
from searches.diagrams.legends import (
    architecture_legend,
    lineage_legend,
    morphism_legend,
    ramp_legend,
    width_legend,
)
from searches.diagrams.lineage import lineage_svg
from searches.diagrams.version import DRAWING_VERSION

__all__ = [
    "DRAWING_VERSION",
    "architecture_legend",
    "architecture_svg",
    "changes",
    "columns_from",
    "lineage_legend",
    "lineage_svg",
    "morphism_legend",
    "ramp_legend",
    "thumbnail_scale",
    "thumbnail_svg",
    "width_legend",
]
