"""How fast trainings are: seconds of a batch as a constant and a part for each multiply-accumulate.

Small networks are bound by the constant, large ones by the arithmetic; both are believed of a machine before
anything is measured, widely, and learnt from every training that was timed. Trainings on images of one size are off
together: what was learnt from others than those that are asked about leaves a doubt that no number of them removes.
"""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from searches.selectors.belief import Belief, Vector

SECOND_CORE_GAIN = 0.85
"""What each core of a training that has them all is worth beside one alone."""
OPERATIONS_PER_MAC = 6
PRIOR_SPREAD, MEASURED_SPREAD = 1.2, 0.6
"""Standard deviation, relative to its mean, of what is only guessed of a machine: nothing was timed on it, or its
speed as a whole is known and what is the constant's part and what the arithmetic's is not."""
ALIKE_DOUBT, UNLIKE_DOUBT = 0.1, 0.35
"""By how much all trainings on images of one size are off together, as a share: where some on images of the size that
is asked about were timed, and where none was."""
AROUND_SECONDS = 0.5
"""Taken of each training for what comes before and after it, where that was not timed."""
LEAST_SHARE = 0.2
"""A drawn pace is at least so much of the mean one."""
EVALUATED = 0.25
"""Cost of an image that is only looked at, in images that are trained on."""


@dataclass(frozen=True)
class Machine:
    """What is guessed of a device before anything was timed on it.

    `flops`: operations a second of one core, or of the GPU, in a training; `batch_seconds`: a batch of a network
    without work. `words`: "2 cores with fast bfloat16 (AMX)".
    """

    n_cores: int
    flops: float
    batch_seconds: float
    words: str


@dataclass(frozen=True)
class Timed:
    """A training, or what has been done of one: seconds of each batch of `batch_macs` multiply-accumulates.

    `noise`: how much it may be off for the search that is asked about, as a share. `images`: their size, such as
    "3x32x32"; "" for those that are asked about.
    """

    batch_macs: float
    batch_seconds: float
    all_cores: bool
    noise: float = 0.15
    images: str = ""


@dataclass(frozen=True)
class Pace:
    """Seconds of trainings on a machine: what is believed, and seconds spent around each training.

    `doubt`: by how much all of it may be off together, as a share.
    """

    belief: Belief
    n_cores: int
    around: float = AROUND_SECONDS
    n_timed: int = 0
    doubt: float = 0.0

    def batch_seconds(self, batch_macs: float, all_cores: bool, drawn: Vector | None = None) -> float:
        """Of one batch, by the mean of what is believed or by a `drawn` case of it."""
        row = _row(batch_macs, all_cores, self.n_cores)
        mean = float(sum(a * b for a, b in zip(row, self.belief.mean, strict=True)))
        if drawn is None:
            return max(mean, 1e-6)
        case = float(sum(a * b for a, b in zip(row, drawn, strict=True)))
        return max(case, LEAST_SHARE * mean, 1e-6)

    def draw(self, rng: random.Random) -> Vector:
        """A case of what is not known."""
        drawn: Vector = self.belief.draw(rng) * math.exp(rng.gauss(0.0, self.doubt))
        return drawn


def pace_of(machine: Machine, timed: Iterable[Timed], around: Iterable[float] = ()) -> Pace:
    """What is believed of a machine after these trainings were timed on it.

    They first say how far off the guess is as a whole, then what is the constant's part and what the arithmetic's.
    """
    known = [t for t in timed if t.batch_seconds > 0]
    constant, per_mac = machine.batch_seconds, OPERATIONS_PER_MAC / machine.flops

    def guessed(t: Timed) -> float:
        row = _row(t.batch_macs, t.all_cores, machine.n_cores)
        return row[0] * constant + row[1] * per_mac

    alike = [t for t in known if not t.images]
    scale = median(t.batch_seconds / guessed(t) for t in alike or known) if known else 1.0
    constant, per_mac = scale * constant, scale * per_mac
    spread = MEASURED_SPREAD if known else PRIOR_SPREAD
    shared = per_mac / (SECOND_CORE_GAIN * machine.n_cores)
    before = Belief.before((constant, per_mac, 0.0), (spread * constant, spread * per_mac, 0.3 * shared))
    belief = before.after(
        [_row(t.batch_macs, t.all_cores, machine.n_cores) for t in known],
        [t.batch_seconds for t in known],
        [t.noise * t.batch_seconds for t in known],
        [
            [UNLIKE_DOUBT * t.batch_seconds * (t.images == images) for t in known]
            for images in {t.images for t in known} - {""}
        ],
    )
    doubt = ALIKE_DOUBT if alike else UNLIKE_DOUBT if known else 0.0
    return Pace(belief, machine.n_cores, median((AROUND_SECONDS, *sorted(around))), len(known), doubt)


def _row(batch_macs: float, all_cores: bool, n_cores: int) -> tuple[float, float, float]:
    """Coefficients of (seconds of any batch, seconds a multiply-accumulate, what all cores differ from the guess)."""
    if not all_cores:
        return 1.0, batch_macs, 0.0
    return 1.0, batch_macs / (SECOND_CORE_GAIN * n_cores if n_cores > 1 else 1.0), batch_macs
