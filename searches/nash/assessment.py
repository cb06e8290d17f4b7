"""How a network errs: confusion, accuracy of each class, its most confident mistakes, how far its confidence is true.

Worked out from softmax outputs (N, n_classes) and labels (N,) by numpy alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]

N_BINS = 15
N_MISTAKES = 24
MAX_CONFUSION_CLASSES = 200
N_PAIRS = 40


def assess(softmax: Floats, labels: Labels) -> dict[str, Any]:
    """All of it as plain JSON.

    `confusion`: rows true, columns predicted, up to MAX_CONFUSION_CLASSES classes, else None; `pairs`: what is most
    often taken for what, [true, predicted, images]; `classes`: images and right answers of each class; `mistakes`:
    [image, true, predicted, confidence]; `calibration`: bins [mean confidence, share right, images] and `ece`.
    """
    n_classes = softmax.shape[1]
    predicted = softmax.argmax(1)
    counts = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    right = counts.diagonal()
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:N_PAIRS]
    pairs = [(int(k) // n_classes, int(k) % n_classes) for k in order]
    return {
        "n_images": len(labels),
        "n_right": int(right.sum()),
        "confusion": counts.tolist() if n_classes <= MAX_CONFUSION_CLASSES else None,
        "pairs": [[t, p, int(wrong[t, p])] for t, p in pairs if wrong[t, p]],
        "classes": [[int(n), int(k)] for n, k in zip(counts.sum(1), right, strict=True)],
        "mistakes": most_confident_mistakes(softmax, labels),
        **calibration(softmax, labels),
    }


def most_confident_mistakes(softmax: Floats, labels: Labels) -> list[list[Any]]:
    """[image, true class, predicted class, confidence], the most confident first."""
    predicted, confidence = softmax.argmax(1), softmax.max(1)
    wrong = np.flatnonzero(predicted != labels)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:N_MISTAKES]
    return [[int(k), int(labels[k]), int(predicted[k]), round(float(confidence[k]), 4)] for k in chosen]


def calibration(softmax: Floats, labels: Labels) -> dict[str, Any]:
    """Bins of equal width by confidence, and the expected calibration error: the mean gap, weighted by images.

    Source: Guo et al. (2017), On calibration of modern neural networks, Eq. 3.
    """
    confidence = softmax.max(1).astype(np.float64)
    is_right = softmax.argmax(1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    rows, ece = [], 0.0
    for k in range(N_BINS):
        inside = bins == k
        if n := int(inside.sum()):
            mean, share = float(confidence[inside].mean()), float(is_right[inside].mean())
            rows.append([round(mean, 5), round(share, 5), n])
            ece += n / len(labels) * abs(mean - share)
    return {"calibration": rows, "ece": ece}
