"""Parameters and multiply-accumulates of twenty seeded chains: golden, and counted by torch itself.

After a change on purpose: NASH_WRITE_GOLDEN=1 pytest tests/nash/test_exact_counts.py, then look at the difference.
A chain that becomes another one is a search that becomes another one: raise ENGINE_VERSION.
"""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from searches.nash.architecture import Architecture
from searches.nash.draws import draw_morphisms
from searches.nash.network import Network

GOLDEN = Path(__file__).parent.parent / "golden" / "counts.json"
MODELS = (
    {},  # the paper's, 32-32-32
    {"channels": (16, 32, 64)},
    {"input_shape": (1, 8, 8), "channels": (8, 8, 8)},
    {"input_shape": (3, 64, 64), "n_classes": 100, "head": "global_pool"},
    {"input_shape": (3, 28, 20), "channels": (12, 24)},
)
CHAINS = [(n, 5 * k + m, model) for k, n in enumerate((1, 5, 15, 25)) for m, model in enumerate(MODELS)]


def chain(n_morphisms: int, seed: int, model: dict[str, Any]) -> Architecture:
    model_0 = Architecture.initial(**model)
    return model_0.morphed(draw_morphisms(model_0, n_morphisms, random.Random(seed)))


def counted(n_morphisms: int, seed: int, model: dict[str, Any]) -> dict[str, Any]:
    """What the engine says of a chain."""
    child = chain(n_morphisms, seed, model)
    return {
        "seed": seed,
        "model_0": {name: list(v) if isinstance(v, tuple) else v for name, v in model.items()},
        "n_morphisms": n_morphisms,
        "digest": child.digest,
        "n_parameters": child.n_parameters,
        "n_macs": child.n_macs,
    }


def test_the_counts_of_twenty_chains_are_the_golden_ones():
    counts = [counted(*c) for c in CHAINS]
    if os.environ.get("NASH_WRITE_GOLDEN"):
        GOLDEN.write_text("[\n" + ",\n".join(json.dumps(c) for c in counts) + "\n]\n")
    golden = json.loads(GOLDEN.read_text())
    assert len(golden) == 20
    assert len({c["digest"] for c in golden}) == 20
    assert counts == golden


@pytest.mark.parametrize("case", CHAINS, ids=lambda c: f"{c[0]} morphisms, seed {c[1]}")
def test_torch_counts_the_same_parameters_and_multiply_accumulates(case):
    """torch's FLOP counter takes a multiply and an add for two; it sees convolutions and the head."""
    child = chain(*case)
    network = Network(child).to("meta").eval()
    assert sum(p.numel() for p in network.parameters()) == child.n_parameters
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, *child.input_shape, device="meta"))
    assert counter.get_total_flops() == 2 * child.n_macs
