"""What pages say of data sets: how images are changed as they are trained on, whether classes are of one size."""

from searches.models import DataSet
from searches.nash.config import SearchConfig

UNEVEN = 1.5
"""The largest class has so many times the images of the smallest where balanced accuracy is shown unasked."""


def augmentation_words(config: SearchConfig, dataset: DataSet) -> str:
    """"crop from 4 px of padding, flip"; what is empty in the settings is as the data set says."""
    suits = max(dataset.height, dataset.width) // 8 if dataset.crops else 0
    padding = suits if config.padding is None else config.padding
    flips = dataset.flips if config.flip is None else config.flip
    found = [f"crop from {padding} px of padding"] if padding else []
    return ", ".join([*found, *(["flip"] if flips else [])]) or "no augmentation"


def is_uneven(dataset: DataSet) -> bool:
    """Whether its classes differ so much in size that accuracy alone misleads."""
    counts = dataset.meta.get("counts", {}).get("train", [])
    return bool(counts) and max(counts) > UNEVEN * max(min(counts), 1)
