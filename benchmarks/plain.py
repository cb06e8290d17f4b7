"""The plain recipe, an ordinary user's code: DataLoader over PIL images, float32, NCHW, torch's modules and SGD.

It is what ours is compared with, so it is as good as such code is: images decoded and in memory, the faster of no
workers and two, ReLU in place. It knows nothing of the engine but which layers a network has.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from searches.nash.architecture import Architecture
from searches.nash.data import ImageSet, normalisation

BATCH_SIZE = 128
LEARNING_RATE = 0.05
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4

Done = Callable[[int], None]
"""Called after each step with the number of its images; may raise to stop."""


class PlainNetwork(nn.Module):
    """The same layers as an architecture of the search, as torch has them: convolutions with their bias."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.nodes = architecture.nodes
        self.layers = nn.ModuleDict()
        self.lambdas = nn.ParameterDict()
        for node in architecture.nodes:
            c_in = architecture.shapes[node.inputs[0]][0] if node.inputs else 0
            if node.op == "conv":
                conv = nn.Conv2d(c_in, node.channels, node.kernel, padding=node.kernel // 2)
                self.layers[node.name] = nn.Sequential(conv, nn.BatchNorm2d(node.channels), nn.ReLU(inplace=True))
            elif node.op == "max_pool":
                self.layers[node.name] = nn.MaxPool2d(2)
            elif node.op == "linear":
                self.layers[node.name] = nn.Linear(architecture.n_features(), node.channels)
            elif node.op == "mix":
                self.lambdas[node.name] = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (N, C, H, W) -> logits (N, n_classes)."""
        values = {"input": x}
        for node in self.nodes[1:]:
            inputs = [values[name] for name in node.inputs]
            if node.op == "concat":
                value = torch.cat(inputs, 1)
            elif node.op == "mix":
                lam = self.lambdas[node.name]
                value = lam * inputs[0] + (1 - lam) * inputs[1]
            else:
                value = self.layers[node.name](inputs[0].flatten(1) if node.op == "linear" else inputs[0])
            values[node.name] = value
        return value


class Pictures(Dataset[tuple[Tensor, int]]):
    """PIL images held in memory, transformed one at a time."""

    def __init__(self, images: Tensor, labels: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        arrays = images.permute(0, 2, 3, 1).numpy()  # (N, C, H, W) -> (N, H, W, C)
        self.pictures = [Image.fromarray(a[:, :, 0] if a.shape[2] == 1 else a) for a in arrays]
        self.labels = labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def loader_of(dataset: ImageSet, num_workers: int) -> DataLoader[tuple[Tensor, int]]:
    """Batches of the training images: crop, flip, ToTensor, Normalize."""
    side = dataset.input_shape[1]
    mean, std = normalisation(dataset.images)
    transform = transforms.Compose(
        [
            transforms.RandomCrop(side, padding=side // 8),
            *([transforms.RandomHorizontalFlip()] if dataset.flips else []),
            transforms.ToTensor(),
            transforms.Normalize(mean.tolist(), std.tolist()),
        ]
    )
    pictures = Pictures(dataset.images, dataset.labels, transform)
    return DataLoader(
        pictures,
        BATCH_SIZE,
        shuffle=True,
        drop_last=True,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
    )


def train(architecture: Architecture, dataset: ImageSet, num_workers: int, done: Done) -> None:
    """Train, epoch after epoch, until `done` raises."""
    network = PlainNetwork(architecture).train()
    optimiser = torch.optim.SGD(
        network.parameters(), LEARNING_RATE, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY
    )
    loader = loader_of(dataset, num_workers)
    for _ in count():
        for images, labels in loader:
            optimiser.zero_grad()
            loss = functional.cross_entropy(network(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            done(len(images))


def forward(architecture: Architecture, dataset: ImageSet, done: Done) -> None:
    """Training-mode forward passes of batches that are ready, without gradients, until `done` raises."""
    network = PlainNetwork(architecture).train()
    mean, std = (values.view(-1, 1, 1) for values in normalisation(dataset.images))
    batch = (dataset.images[:BATCH_SIZE] / 255 - mean) / std
    with torch.no_grad():
        for _ in count():
            network(batch)
            done(len(batch))
