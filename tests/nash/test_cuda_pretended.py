"""The path of a CUDA device where there is none: every tensor where it belongs, and no step that waits for it."""

from dataclasses import replace

import pytest
import torch

from searches.nash import execution, optimiser, run_search
from searches.nash.augmentation import Draws, MappedPixels
from searches.nash.hillclimb import Job
from searches.nash.morphisms import Deepen, SkipAdd, SkipConcat, Widen
from searches.nash.network import Network
from searches.nash.references import wide_resnet
from searches.nash.training import Training

from .images import TINY, few_digits
from .pretended_cuda import CUDA, Waited, pretended_cuda

pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device: test_cuda asks that"),
    pytest.mark.skipif(not torch.backends.cuda.is_built(), reason="this build of torch knows no CUDA"),
]
MORPHISMS = (Widen("c1", 2), Deepen("c2", 3), SkipAdd("c1", "c3"), SkipConcat("c1", "c2"))
MODEL_0 = TINY.initial_architecture()
JOBS = {
    "model_0": Job("pretrain", 0, 0, None, (), MODEL_0, 2),
    "child": Job("neighbour", 1, 1, ("pretrain", 0, 0), MORPHISMS, MODEL_0.morphed(MORPHISMS), 2),
    "parent": Job("neighbour", 1, 2, ("pretrain", 0, 0), (), MODEL_0, 2),
    "final": Job("final", 2, 0, ("pretrain", 0, 0), (), MODEL_0, 2),
    "reference": Job("reference", 0, 3, None, (), wide_resnet(10, 1, TINY.input_shape, TINY.n_classes), 2),
}


@pytest.fixture(scope="module")
def digits():
    return few_digits()


@pytest.fixture(scope="module")
def model_0():
    return Network(MODEL_0, torch.Generator().manual_seed(0))


@pytest.fixture
def steps_that_do_not_wait(monkeypatch):
    """watch(cuda) lets it refuse values within a step; the list that it returns gets the training of each step."""
    taken = []

    def watch(cuda):
        take = Training._take

        def watched(training, *step):
            cuda.may_wait = False
            take(training, *step)
            cuda.may_wait = True
            taken.append(training)

        monkeypatch.setattr(Training, "_take", watched)
        return taken

    return watch


def run(name, digits, model_0, **settings):
    job, config = JOBS[name], replace(TINY, **settings)
    return execution.execute(job, config, digits, model_0 if job.parent else None, device="cuda:0")


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
@pytest.mark.parametrize("name", JOBS)
def test_a_training_has_every_tensor_on_the_device_and_no_step_waits(
    name, precision, digits, model_0, steps_that_do_not_wait
):
    with pretended_cuda() as cuda:
        taken = steps_that_do_not_wait(cuda)
        trained = run(name, digits, model_0, precision=precision)
    assert trained.numeric_path == f"cuda-{precision}-sm90"
    assert {t.device.type for t in trained.network.state_dict().values()} == {"cpu"}
    assert cuda.captures == 1
    assert cuda.replays == len(taken) == taken[0].total_steps
    assert taken[0]._pixels.rows.device == CUDA


def no_graph(*_):
    raise RuntimeError("operation not permitted when stream is capturing")


def test_steps_that_are_no_graph_do_not_wait_either(digits, model_0, steps_that_do_not_wait, monkeypatch, caplog):
    monkeypatch.setattr(optimiser, "_graph_of", no_graph)
    with pretended_cuda() as cuda:
        taken = steps_that_do_not_wait(cuda)
        run("child", digits, model_0)
    assert cuda.replays == 0
    assert taken
    assert "training goes on without a CUDA graph: operation not permitted" in caplog.text


def test_images_that_are_too_many_for_the_device_are_read_batch_by_batch(digits, model_0, steps_that_do_not_wait):
    with pretended_cuda(free_bytes=1000) as cuda:
        taken = steps_that_do_not_wait(cuda)
        run("child", digits, model_0)
    assert isinstance(taken[0]._pixels, MappedPixels)
    assert cuda.captures == 0


def test_new_filters_drawn_at_random_and_their_statistics_are_made_there(digits, model_0):
    with pretended_cuda() as cuda:
        run("child", digits, model_0, widen_init="random")
    assert cuda.captures == 1


def test_a_tensor_that_stayed_on_the_cpu_is_found(digits, model_0, monkeypatch):
    with pretended_cuda():
        monkeypatch.setattr(Draws, "to", lambda draws, device: draws)
        with pytest.raises(RuntimeError, match="two devices"):
            run("child", digits, model_0)


@pytest.mark.parametrize("graph_of", [optimiser._graph_of, no_graph])
@pytest.mark.parametrize("asks", [lambda t: float(t.sum()), lambda t: t.cpu()])
def test_a_step_that_waits_for_the_device_is_found(
    asks, graph_of, digits, model_0, steps_that_do_not_wait, monkeypatch
):
    monkeypatch.setattr(optimiser, "_graph_of", graph_of)
    with pretended_cuda() as cuda:
        steps_that_do_not_wait(cuda)
        monkeypatch.setattr(Network, "clamp_lambdas_", lambda network: asks(network.mean))
        with pytest.raises(Waited):
            run("child", digits, model_0)


def test_a_whole_search_with_its_comparisons_runs_there(digits):
    config = replace(TINY, comparisons=("snapshots", "scratch", "model_0-final"))
    with pretended_cuda() as cuda:
        run_search(config, digits, device="cuda:0")
    assert cuda.captures == 11  # model_0, two steps of three, the final model, and three comparisons
