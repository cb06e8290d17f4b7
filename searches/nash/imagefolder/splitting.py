"""Stratified, seeded splits of a list of labels."""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def stratified_split(
    labels: npt.ArrayLike, fraction: float, seed: int, *, keeps: int = 1
) -> tuple[Indices, Indices]:
    """Indices (rest, taken), both ascending; taken holds round(fraction * n) of the n labels.

    Every class gives its share, to the nearest image: whole shares first, then one more by largest
    remainder. A class keeps at least `keeps` images in rest (0: taken may have all of a class) and, if it
    has more and taken has room for one image of every class, gives at least one. For one seed a smaller
    fraction takes mostly a subset of a larger one. To take exactly k labels pass fraction = k / n.
    Raises ValueError outside 0 <= fraction < 1 or if labels is not one-dimensional.
    Source: method section 1 (stratified, seeded; ours).
    """
    values = np.asarray(labels)  # (n,)
    if values.ndim != 1:
        raise ValueError(f"labels has shape {values.shape}: one label per image expected, shape (n,)")
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction={fraction}: must be at least 0 and less than 1")
    _, class_of, counts = np.unique(values, return_inverse=True, return_counts=True)
    shares = _shares(counts, fraction, np.maximum(counts - keeps, 0))  # (n_classes,)
    # One random key per image: the images with the lowest keys of each class are taken.
    keys = np.random.Generator(np.random.PCG64(seed)).random(len(values))  # (n,)
    order = np.lexsort((keys, class_of))  # grouped by class, by key within
    rank = np.arange(len(values)) - np.repeat(np.cumsum(counts) - counts, counts)
    is_taken = np.zeros(len(values), dtype=bool)
    is_taken[order] = rank < np.repeat(shares, counts)
    return np.flatnonzero(~is_taken), np.flatnonzero(is_taken)


def _shares(counts: Indices, fraction: float, most: Indices) -> Indices:
    """How many images of each class are taken, of counts (n_classes,), at most `most` of each.

    They sum to round(fraction * n), as far as `most` lets them.
    """
    total = min(round(fraction * int(counts.sum())), int(most.sum()))
    quotas = counts * fraction
    shares = np.floor(quotas + 1e-9).astype(np.int64)
    shares = np.minimum(shares, most)
    if total >= int((most > 0).sum()):
        shares = np.maximum(shares, np.minimum(most, 1))
    while shares.sum() < total:
        lack = np.where(shares < most, quotas - shares, -np.inf)
        shares[np.argmax(lack)] += 1
    while shares.sum() > total:
        excess = np.where(shares > 1, shares - quotas, -np.inf)
        shares[np.argmax(excess)] -= 1
    return np.asarray(shares, dtype=np.int64)
