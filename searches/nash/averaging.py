"""What averaging the softmax outputs of several networks brings, counted on the same images by numpy alone.

Source: section 4 of Elsken, Metzen, Hutter (2017): the snapshot ensemble averages uniformly; Huang et al. (2017),
Snapshot ensembles.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from searches.nash.assessment import Floats, Labels

MOST_FOR_SUBSETS = 10
"""Up to so many members every subset is counted (2^10 of them); with more only the order in which they stand."""
Rights = npt.NDArray[np.bool_]


def mean_softmax(softmaxes: Sequence[Floats]) -> Floats:
    """The uniform mean of softmax outputs, each (N, n_classes), in float64. Raises ValueError for other shapes."""
    first, *others = softmaxes
    if any(other.shape != first.shape for other in others):
        shapes = ", ".join(str(softmax.shape) for softmax in softmaxes)
        raise ValueError(f"outputs of {shapes}: not of the same images and classes")
    mean: Floats = np.mean([softmax.astype(np.float64) for softmax in softmaxes], axis=0)
    return mean


def gains(softmaxes: Sequence[Floats], labels: Labels) -> dict[str, Any]:
    """What the mean of at least two members' outputs gets right, and against what, as plain JSON of counts.

    `n_images`, `n_right`, `balanced` (mean accuracy over the classes); `members`: of each n_right, and of the images
    on which it differs from all together [only all, only it]; `over_mean`: mean and standard deviation over the
    images of right(all) - mean of right(member); `without`: of each member n_right of the others together and [only
    all, only the others]; `order`: n_right of the first 1, 2, ...; `subsets`: of each size mean, least and most
    n_right over all subsets, or None where these are too many.
    """
    right = [_right(softmax, labels) for softmax in softmaxes]
    together = _right(mean_softmax(softmaxes), labels)
    gain = together.astype(np.float64) - np.mean(right, axis=0)
    m = len(softmaxes)
    without = [_right(mean_softmax([*softmaxes[:k], *softmaxes[k + 1 :]]), labels) for k in range(m)]
    return {
        "n_images": len(labels),
        "n_right": int(together.sum()),
        "balanced": _balanced(together, labels),
        "members": [{"n_right": int(r.sum()), "differs": _differs(together, r)} for r in right],
        "over_mean": {"mean": float(gain.mean()), "deviation": float(gain.std(ddof=1))},
        "without": [{"n_right": int(r.sum()), "differs": _differs(together, r)} for r in without],
        "order": [int(_right(mean_softmax(softmaxes[: k + 1]), labels).sum()) for k in range(m)],
        "subsets": _subsets(softmaxes, labels) if m <= MOST_FOR_SUBSETS else None,
    }


def _subsets(softmaxes: Sequence[Floats], labels: Labels) -> list[list[float]]:
    rows = []
    for size in range(1, len(softmaxes) + 1):
        found = [
            int(_right(mean_softmax(subset), labels).sum()) for subset in combinations(softmaxes, size)
        ]
        rows.append([float(np.mean(found)), min(found), max(found)])
    return rows


def _right(softmax: Floats, labels: Labels) -> Rights:
    right: Rights = softmax.argmax(1) == labels
    return right


def _differs(together: Rights, other: Rights) -> list[int]:
    return [int((together & ~other).sum()), int((other & ~together).sum())]


def _balanced(right: Rights, labels: Labels) -> float:
    n = np.bincount(labels)
    hits = np.bincount(labels[right], minlength=len(n))
    occurs = n > 0
    return float((hits[occurs] / n[occurs]).mean())
