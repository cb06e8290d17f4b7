"""A search that begins from a trained network: plan() gets it as data, model_0 computes what the file computes."""

import json
from dataclasses import replace

import pytest
import torch

from searches.nash.config import InvalidConfig, SearchConfig
from searches.nash.evaluation import evaluate
from searches.nash.export import export_model, file_sha256, weights_of
from searches.nash.hillclimb import Outcome, begins_at_start, plan
from searches.nash.model_file import read_model_file
from searches.nash.morphisms import SkipConcat, Widen
from searches.nash.network import Network
from searches.nash.references import wide_resnet
from searches.nash.runner import execute, run_search
from searches.nash.start import Start
from tests.nash.images import TINY, few_digits
from tests.nash.networks import random_network

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = TINY.replace(n_steps=1, n_neigh=2, epoch_pretrain=1, epoch_neigh=1, epoch_final=1)


def trained() -> Network:
    """A grown network with random statistics, as a search on the digits may end with."""
    architecture = TINY.initial_architecture().morphed([Widen("c1", 2), SkipConcat("c1", "c2")])
    return random_network(architecture, seed=4, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def start():
    return trained()


def begun(network: Network, **settings) -> SearchConfig:
    return SMALL.replace(start=Start(network.architecture, file_sha256(network)), **settings)


# ---------------------------------------------------------------------- settings and plan


def test_settings_with_a_start_are_plain_json_and_come_back(start):
    config = begun(start)
    assert SearchConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert config.to_dict()["start"]["sha256"] == file_sha256(start)
    assert "start" not in SMALL.to_dict()
    assert hash(config) == hash(begun(start))
    assert config != config.replace(start=Start(start.architecture, "0" * 64))


def test_the_settings_name_the_file_that_is_exported(start, tmp_path):
    file = read_model_file(export_model(start, tmp_path / "model.zip", info={}))
    with (tmp_path / "copy").open("wb") as target:
        assert file.copy_weights(target) == begun(start).start.sha256
    assert file.verify() == begun(start).start.sha256


def test_plan_begins_with_the_start_and_draws_its_children_from_it(start):
    config = begun(start, n_NM=2)
    (job,) = plan(config, [])
    assert (job.key, job.architecture, job.epochs) == (("pretrain", 0, 0), start.architecture, 1)
    children = plan(config, [Outcome(job, "done", 0.5)])
    child = children[0]
    assert child.architecture == start.architecture.morphed(child.morphisms)
    assert children[-1].architecture == start.architecture
    elsewhere = begun(start, n_NM=2).replace(start=Start(start.architecture, "0" * 64))
    assert [j.morphisms for j in plan(elsewhere, [Outcome(job, "done", 0.5)])] == [j.morphisms for j in children]


def test_model_0_as_a_reference_begins_there_too_and_nothing_else_does(start):
    config = begun(start)
    keys = [("pretrain", 0, 0), ("reference", 0, 1), ("reference", 0, 2)]
    assert all(begins_at_start(config, key) for key in keys)
    assert not any(begins_at_start(SMALL, key) for key in keys)
    others = [("neighbour", 1, 1), ("final", 1, 0), ("scratch", 1, 0), ("reference", 0, 3), ("snapshot", 1, 0)]
    assert not any(begins_at_start(config, key) for key in others)


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        ({"input_shape": (3, 32, 32)}, "start", "takes images of 8 x 8 px, grey, the data set has 32 x 32 px, in "),
        ({"n_classes": 7}, "start", "it tells 10 classes apart, the data set has 7"),
        ({"max_channels": 4, "channels": (2, 2)}, "max_channels", "widest block: give at least 8"),
        ({"max_parameters": 100}, "max_parameters", "model_0's own size"),
        ({"max_macs": 100}, "max_macs", "model_0's own size"),
    ],
)
def test_what_does_not_fit_is_named_at_its_field(start, settings, field, words):
    with pytest.raises(InvalidConfig) as refusal:
        begun(start, **settings)
    assert words in refusal.value.errors[field]


def test_widths_of_a_fresh_model_0_mean_nothing_beside_a_start(start):
    assert begun(start, channels=(4096,) * 9).initial_architecture() == start.architecture


@pytest.mark.parametrize(
    "value", ["model.zip", 5, {}, {"architecture": {}, "sha256": "0" * 64}, {"architecture": [], "sha256": ""}]
)
def test_what_is_no_start_is_refused_in_words(value):
    with pytest.raises(InvalidConfig) as refusal:
        SMALL.replace(start=value)
    assert set(refusal.value.errors) == {"start"}


def test_a_reference_network_cannot_be_climbed_from():
    reference = wide_resnet(10, 1, (1, 8, 8), 10)
    with pytest.raises(InvalidConfig) as refusal:
        SMALL.replace(start=Start(reference, "0" * 64))
    assert "no morphism applies" in refusal.value.errors["start"]


# ---------------------------------------------------------------------- trainings


def test_pretraining_begins_as_the_file_is_and_is_one_cycle_of_sgdr(start):
    config, images = begun(start, epoch_pretrain=2), few_digits()
    before = {name: tensor.clone() for name, tensor in weights_of(start).items()}
    points = []
    (job,) = plan(config, [])
    done = execute(job, config, images, start, on_point=points.append)
    held_back = images.split(config.seed, config.n_validation, config.n_training).validation
    as_it_was = evaluate(start, images.images[held_back], images.labels[held_back])
    assert points[0].optimiser_step == 0
    assert points[0].val_accuracy == pytest.approx(as_it_was, abs=1e-6)
    assert points[0].lr == pytest.approx(config.lambda_start)
    assert points[-1].lr == pytest.approx(config.lambda_end, abs=1e-6)
    assert done.seal is None
    assert torch.equal(done.network.mean, start.mean)
    assert torch.equal(done.network.std, start.std)
    assert not torch.equal(done.network.fc.weight, start.fc.weight)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights_of(start).items()), "it is not changed"


def test_without_the_network_or_with_another_nothing_is_trained(start):
    config = begun(start)
    (job,) = plan(config, [])
    for network in (None, random_network(TINY.initial_architecture(), dtype=torch.float32)):
        with pytest.raises(ValueError, match="the search starts from is missing, or is another"):
            execute(job, config, few_digits(), network)


def test_a_search_from_a_zip_is_the_same_bits_each_time_and_others_than_a_fresh_one(start, tmp_path):
    path = export_model(start, tmp_path / "model.zip", info={})
    images = few_digits()
    first, again = (run_search(SMALL, images, device="cpu", start=Network.load(path)) for _ in range(2))
    assert file_sha256(first.network) == file_sha256(again.network)
    assert first.config.start == begun(start).start
    assert first.history[0].job.architecture == start.architecture
    assert file_sha256(run_search(SMALL, images, device="cpu").network) != file_sha256(first.network)
    assert first.history[0].job == replace(first.history[0].job, epochs=SMALL.epoch_pretrain)
