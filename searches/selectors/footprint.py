"""How much memory a training takes at its peak: a base, the images, and so many bytes for each value it keeps."""

from collections.abc import Iterable
from dataclasses import dataclass

from searches.selectors.belief import Belief, Vector
from searches.selectors.growth import Size

BYTES_PER_PARAMETER = 16
"""Weight, gradient, momentum, and the copy that a step computes with; float32 each."""
BASE_BYTES = {"cpu": (7e8, 2e8), "cuda": (5e7, 5e7)}
"""Of a worker process on a CPU, of a CUDA device's allocator; mean and standard deviation of the guess."""
BYTES_PER_VALUE = (10.0, 6.0)
BYTES_PER_PIXEL = (2.0, 1.0)


@dataclass(frozen=True)
class Load:
    """What a training holds: values of one batch, pixels of all images of the set, parameters."""

    values: float
    pixels: float
    n_parameters: float


@dataclass(frozen=True)
class Weighed:
    """The peak that was measured of a training, in bytes."""

    load: Load
    peak_bytes: float


@dataclass(frozen=True)
class Footprint:
    belief: Belief
    n_weighed: int

    def peak_bytes(self, load: Load, drawn: Vector | None = None) -> float:
        """Of a training, by the mean of what is believed or by a `drawn` case of it."""
        coefficients = self.belief.mean if drawn is None else drawn
        known = sum(a * b for a, b in zip(_row(load), coefficients, strict=True))
        return max(float(known), 0.0) + BYTES_PER_PARAMETER * load.n_parameters


def load_of(size: Size, batch_size: int, pixels: float) -> Load:
    return Load(size.n_activations * batch_size, pixels, size.n_parameters)


def footprint_of(device: str, weighed: Iterable[Weighed]) -> Footprint:
    """What is believed after these peaks were measured on a "cpu" or on "cuda"."""
    known = list(weighed)
    means, deviations = zip(BASE_BYTES[device], BYTES_PER_VALUE, BYTES_PER_PIXEL, strict=True)
    belief = Belief.before(means, deviations).after(
        [_row(w.load) for w in known],
        [w.peak_bytes - BYTES_PER_PARAMETER * w.load.n_parameters for w in known],
        [0.05 * w.peak_bytes for w in known],
    )
    return Footprint(belief, len(known))


def _row(load: Load) -> tuple[float, float, float]:
    return 1.0, load.values, load.pixels
