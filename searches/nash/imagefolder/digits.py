"""scikit-learn's bundled handwritten digits as the arrays of an image set."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searches.nash.imagefolder.splitting import stratified_split

TEST_FRACTION = 1 / 6


@dataclass(frozen=True)
class DigitsArrays:
    """The digits: images uint8 (N, 1, 8, 8), labels int64 (N,), training and test part, class names."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    test_images: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]


def digits_arrays() -> DigitsArrays:
    """The 1,797 bundled digits, 8 x 8 grey, the values 0..16 scaled to 0..255; one sixth is the test part.

    The split is stratified with seed 0. A flipped 2 is no 2: the set is to be used without flips.
    Source: scikit-learn `load_digits` (UCI optical recognition of handwritten digits, Alpaydin & Kaynak).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    scaled = np.rint(np.asarray(bunch.images) * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    images = scaled[:, None]  # (N, 8, 8) -> (N, 1, 8, 8)
    labels = np.asarray(bunch.target, dtype=np.int64)  # (N,)
    train, test = stratified_split(labels, TEST_FRACTION, seed=0)
    return DigitsArrays(
        images=images[train],
        labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
        classes=tuple(str(name) for name in bunch.target_names),
    )
