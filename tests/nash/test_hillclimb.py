"""Algorithm 1 as a pure function of the history, step by step; test_plan_pure.py has the whole at every order."""

import random

import pytest

from searches.nash.config import SearchConfig
from searches.nash.hillclimb import Job, Outcome, has_failed, plan, winner

CONFIG = SearchConfig(
    channels=(8, 8, 8), n_steps=2, n_neigh=3, n_NM=2, epoch_pretrain=1, epoch_neigh=2, epoch_final=3
)


def accuracy_of(job: Job) -> float:
    """Different for every job and the same at each call."""
    return random.Random(repr(job.key) + job.architecture.digest).random()


def run(config: SearchConfig) -> list[Outcome]:
    history: list[Outcome] = []
    while jobs := plan(config, history):
        history += [Outcome(job, "done", accuracy_of(job)) for job in jobs]
    return history


def by_key(history):
    return {o.job.key: o for o in history}


def test_pretraining_comes_first_and_alone():
    (job,) = plan(CONFIG, [])
    assert (job.key, job.parent, job.morphisms, job.epochs) == (("pretrain", 0, 0), None, (), 1)
    assert job.architecture == CONFIG.initial_architecture()


def test_a_step_has_its_children_and_the_parent_in_the_last_slot():
    (job,) = plan(CONFIG, [])
    jobs = plan(CONFIG, [Outcome(job, "done", 0.5)])
    assert [j.key for j in jobs] == [("neighbour", 1, 1), ("neighbour", 1, 2), ("neighbour", 1, 3)]
    assert [len(j.morphisms) for j in jobs] == [2, 2, 0]
    assert all(j.parent == job.key and j.epochs == 2 for j in jobs)
    assert jobs[2].is_parent
    assert jobs[2].architecture == job.architecture
    assert jobs[0].architecture == job.architecture.morphed(jobs[0].morphisms)


def test_only_what_is_missing_of_the_open_step_is_planned():
    history = [Outcome(plan(CONFIG, [])[0], "done", 0.5)]
    jobs = plan(CONFIG, history)
    assert plan(CONFIG, [*history, Outcome(jobs[1], "done", 0.9)]) == [jobs[0], jobs[2]]


def test_the_next_step_grows_from_the_best_and_the_final_training_ends_it():
    history = by_key(run(CONFIG))
    first = max((history["neighbour", 1, j] for j in (1, 2, 3)), key=lambda o: o.val_accuracy)
    assert history["neighbour", 2, 1].job.parent == first.job.key
    second = max((history["neighbour", 2, j] for j in (1, 2, 3)), key=lambda o: o.val_accuracy)
    final = history["final", 2, 0].job
    assert (final.parent, final.architecture, final.epochs) == (second.job.key, second.job.architecture, 3)
    assert len(history) == 1 + 2 * 3 + 1


def test_the_parent_competes_with_its_new_accuracy_so_that_the_best_may_fall():
    (job,) = plan(CONFIG, [])
    history = [Outcome(job, "done", 0.9)]
    history += [Outcome(j, "done", 0.1 * j.index) for j in plan(CONFIG, history)]
    assert winner(history, 1).val_accuracy == pytest.approx(0.3)
    assert winner(history, 1).job.is_parent


def test_ties_keep_the_parent_else_the_lower_j():
    (job,) = plan(CONFIG, [])
    history = [Outcome(job, "done", 0.5)]
    jobs = plan(CONFIG, history)
    assert winner([Outcome(j, "done", 0.7) for j in jobs], 1).job.index == 3
    below = [Outcome(j, "done", 0.7 if j.index < 3 else 0.6) for j in reversed(jobs)]
    assert winner(below, 1).job.index == 1


def test_with_n_neigh_1_the_one_neighbour_is_a_morphed_child():
    config = CONFIG.replace(n_neigh=1)
    history = run(config)
    children = [o.job for o in history if o.job.kind == "neighbour"]
    assert [len(c.morphisms) for c in children] == [2, 2]
    assert by_key(history)["final", 2, 0].job.architecture == children[-1].architecture


def test_failed_children_are_passed_over():
    (job,) = plan(CONFIG, [])
    history = [Outcome(job, "done", 0.5)]
    one, two, parent = plan(CONFIG, history)
    history += [Outcome(one, "diverged"), Outcome(two, "done", 0.2), Outcome(parent, "too_big")]
    assert winner(history, 1).job == two
    assert {j.parent for j in plan(CONFIG, history)} == {two.key}
    assert not has_failed(CONFIG, history)


def test_a_search_fails_only_when_no_candidate_of_a_step_survives():
    (job,) = plan(CONFIG, [])
    assert has_failed(CONFIG, [Outcome(job, "failed")])
    history = [Outcome(job, "done", 0.5)]
    history += [Outcome(j, "failed") for j in plan(CONFIG, history)]
    assert plan(CONFIG, history) == []
    assert has_failed(CONFIG, history)
    assert not has_failed(CONFIG, run(CONFIG))


def test_another_seed_draws_other_children_and_a_training_switch_does_not():
    def morphisms(config):
        return [o.job.morphisms for o in run(config) if o.job.kind == "neighbour"]

    assert morphisms(CONFIG.replace(seed=1)) != morphisms(CONFIG)
    assert morphisms(CONFIG.replace(lambda_start=0.1)) == morphisms(CONFIG)


def test_a_job_survives_json():
    for outcome in run(CONFIG):
        assert Job.from_dict(outcome.job.to_dict()) == outcome.job


def test_planning_does_not_load_torch():
    import subprocess
    import sys

    code = "import sys; from searches.nash import plan, SearchConfig, draw_morphisms; plan(SearchConfig(), []); "
    code += "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_step_may_be_decided_by_the_mean_over_the_classes_instead():
    config = CONFIG.replace(selection="balanced")
    history = [Outcome(plan(config, [])[0], "done", 0.5, 0.5)]
    measures = {1: (0.9, 0.4), 2: (0.6, 0.7), 3: (0.7, 0.6)}
    history += [Outcome(j, "done", *measures[j.index]) for j in plan(config, history)]
    assert winner(history, 1).job.index == 1
    assert winner(history, 1, "balanced").job.index == 2
    assert {job.parent for job in plan(config, history)} == {("neighbour", 1, 2)}
