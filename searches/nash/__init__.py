"""NASH: architecture search by hill climbing with network morphisms and SGDR (Elsken, Metzen, Hutter, 2017).

The engine: PyTorch and the standard library, no Django. Its public names load when they are first used
(PEP 562), so that importing a configuration loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Architecture": "architecture",
    "InvalidArchitecture": "nodes",
    "Bounds": "config",
    "InvalidConfig": "config",
    "SearchConfig": "config",
    "preset_config": "presets",
    "Deepen": "morphisms",
    "SkipAdd": "morphisms",
    "SkipConcat": "morphisms",
    "Widen": "morphisms",
    "draw_morphisms": "draws",
    "Job": "hillclimb",
    "Outcome": "hillclimb",
    "plan": "hillclimb",
    "Network": "network",
    "inherit": "inheritance",
    "load_dataset": "data",
    "evaluate": "evaluation",
    "train": "training",
    "run_search": "runner",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605  (the table above is the one registration)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"searches.nash has no {name!r}; public names: {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
