"""The paper's comparisons as jobs of plan(): which, when, from what, for how long."""

import random

import pytest

from searches.nash.config import COMPARISONS, SearchConfig
from searches.nash.hillclimb import COMPARISON_KINDS, Job, Outcome, code_of, has_failed, plan, winner
from searches.nash.references import wide_resnet

CONFIG = SearchConfig(
    channels=(8, 8, 8), n_steps=3, n_neigh=3, n_NM=2, epoch_pretrain=1, epoch_neigh=2, epoch_final=4
)
ALL = CONFIG.replace(comparisons=COMPARISONS)
SNAPSHOTS = [("snapshot", 1, 0), ("snapshot", 2, 0)]
SCRATCH = ("scratch", 3, 0)


def run(config, history=(), accuracy=lambda job: random.Random(repr(job.key)).random()):
    """The history of a search in which each training ends with accuracy(job)."""
    history = list(history)
    while jobs := plan(config, history):
        assert not {job.key for job in jobs} & {outcome.job.key for outcome in history}
        history += [Outcome(job, "done", accuracy(job)) for job in jobs]
    return history


def by_key(history):
    return {outcome.job.key: outcome.job for outcome in history}


@pytest.fixture(scope="module")
def finished():
    """A finished search without comparisons."""
    return run(CONFIG)


def test_comparisons_come_after_the_final_training_and_all_at_once(finished):
    assert plan(CONFIG, finished) == []
    assert plan(ALL, finished[:-1]) == plan(CONFIG, finished[:-1]) == [finished[-1].job]
    keys = [job.key for job in plan(ALL, finished)]
    assert keys == [*SNAPSHOTS, SCRATCH, *(("reference", 0, k) for k in (1, 2, 3, 4))]
    assert {kind for kind, _, _ in keys} == set(COMPARISON_KINDS)


def test_a_finished_search_to_which_comparisons_are_added_plans_the_new_ones_alone(finished):
    first = CONFIG.replace(comparisons=("snapshots", "model_0-final"))
    history = run(first, finished)
    assert history[: len(finished)] == finished
    assert [o.job.code for o in history[len(finished) :]] == ["snapshot 1", "snapshot 2", "model_0, final budget"]
    more = first.replace(comparisons=(*first.comparisons, "scratch", "wrn-16-4"))
    assert [job.code for job in plan(more, history)] == ["from scratch", "WRN-16-4"]
    assert run(more, history) == [*history, *run(more, history)[len(history) :]]


@pytest.mark.parametrize("name", COMPARISONS)
def test_each_comparison_is_planned_by_its_own_name_alone(finished, name):
    codes = {
        "snapshots": ["snapshot 1", "snapshot 2"],
        "scratch": ["from scratch"],
        "model_0-final": ["model_0, final budget"],
        "model_0-total": ["model_0, total budget"],
        "wrn-16-4": ["WRN-16-4"],
        "wrn-28-10": ["WRN-28-10"],
    }
    jobs = plan(CONFIG.replace(comparisons=(name,)), finished)
    assert [job.code for job in jobs] == codes[name]
    assert [code_of(job.key) for job in jobs] == codes[name]


def test_snapshots_are_the_best_of_each_step_and_the_last_is_the_final_model(finished):
    jobs = by_key(run(ALL, finished))
    best = [winner(finished, step).job for step in (1, 2, 3)]
    assert len({job.architecture for job in best}) > 1
    for step, key in enumerate(SNAPSHOTS):
        snapshot = jobs[key]
        assert (snapshot.parent, snapshot.morphisms) == (best[step].key, ())
        assert (snapshot.architecture, snapshot.epochs) == (best[step].architecture, 4)
    assert jobs["final", 3, 0].parent == best[2].key
    assert ("snapshot", 3, 0) not in jobs


def test_a_search_of_one_step_has_no_snapshot_but_its_final_model():
    config = CONFIG.replace(n_steps=1, comparisons=("snapshots",))
    assert plan(config, run(config)) == []
    assert "snapshot" not in {o.job.kind for o in run(config)}


def test_from_scratch_is_the_final_architecture_for_all_epochs_that_its_weights_have_seen(finished):
    jobs = by_key(run(ALL, finished))
    scratch = jobs[SCRATCH]
    assert (scratch.parent, scratch.morphisms) == (None, ())
    assert scratch.architecture == jobs["final", 3, 0].architecture
    assert scratch.epochs == 1 + 3 * 2 + 4
    assert SearchConfig().scratch_epochs == 205  # the paper's


def test_references_have_the_budgets_of_the_search(finished):
    jobs = by_key(run(ALL, finished))
    references = [jobs["reference", 0, k] for k in (1, 2, 3, 4)]
    model_0 = CONFIG.initial_architecture()
    wrns = [wide_resnet(*size, CONFIG.input_shape, CONFIG.n_classes) for size in ((16, 4), (28, 10))]
    assert [job.architecture for job in references] == [model_0, model_0, *wrns]
    assert CONFIG.epoch_budget == 1 + 3 * 3 * 2 + 4
    assert [job.epochs for job in references] == [4, CONFIG.epoch_budget, CONFIG.epoch_budget, CONFIG.epoch_budget]
    assert all(job.parent is None and job.morphisms == () for job in references)


def test_references_are_of_the_searchs_images_and_classes():
    config = SearchConfig(input_shape=(1, 8, 8), n_classes=7, n_steps=1, n_neigh=2, comparisons=("wrn-16-4",))
    architecture = by_key(run(config))["reference", 0, 3].architecture
    assert (architecture.input_shape, architecture.n_classes) == ((1, 8, 8), 7)


@pytest.mark.parametrize("status", ["failed", "diverged", "too_big", "cancelled"])
def test_a_search_whose_final_training_did_not_survive_is_compared_with_nothing(finished, status):
    history = [*finished[:-1], Outcome(finished[-1].job, status)]
    assert plan(ALL, history) == []
    assert has_failed(ALL, history)


def test_comparisons_that_fail_are_not_tried_again_and_fail_no_search(finished):
    jobs = plan(ALL, finished)
    history = [*finished, *(Outcome(job, "diverged") for job in jobs[:3])]
    assert plan(ALL, history) == jobs[3:]
    assert not has_failed(ALL, history)
    history += [Outcome(job, "too_big") for job in jobs[3:]]
    assert plan(ALL, history) == []
    assert not has_failed(ALL, history)
    assert not has_failed(ALL, finished)  # finished, with comparisons to come


def test_the_order_in_which_things_ended_or_were_asked_for_changes_nothing(finished):
    mixed = list(finished)
    random.Random(1).shuffle(mixed)
    assert plan(ALL, mixed) == plan(ALL, finished)
    assert plan(CONFIG.replace(comparisons=COMPARISONS[::-1]), finished) == plan(ALL, finished)


def test_an_extended_search_keeps_what_it_was_compared_with(finished):
    history = run(CONFIG.replace(comparisons=("snapshots", "scratch")), finished)
    longer = run(CONFIG.replace(n_steps=4, comparisons=("snapshots", "scratch")), history)
    assert longer[: len(history)] == history
    new = [o.job.code for o in longer[len(history) :]]
    assert new == ["4.1", "4.2", "4.3", "final", "snapshot 3", "from scratch"]


def test_every_comparison_survives_json(finished):
    for job in plan(ALL, finished):
        assert Job.from_dict(job.to_dict()) == job


@pytest.mark.parametrize(
    "switch",
    [{"neighbour_rate": 0.01}, {"network_morphism": False}, {"comparisons": COMPARISONS}, {"widen_init": "random"}],
    ids=lambda switch: next(iter(switch)),
)
def test_switches_leave_every_draw_as_it_is_while_the_parents_are_identical(switch):
    """With one accuracy for all, each step is won by the parent's own slot: then no draw may differ."""
    without, switched = (run(c, accuracy=lambda _: 0.5) for c in (CONFIG, CONFIG.replace(**switch)))
    assert switched[: len(without)] == without
    assert sum(bool(o.job.morphisms) for o in without) == 6
