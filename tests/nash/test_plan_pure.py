"""plan(config, history) is Algorithm 1, whatever ends when: against a loop that reads like the paper's page.

Trainings are pretended: a fate says for each job how it ends. Few different accuracies, so that ties are common, and
one training in six does not survive.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st

from searches.nash.config import SearchConfig
from searches.nash.draws import draw_morphisms
from searches.nash.hillclimb import Job, Key, Outcome, has_failed, plan
from searches.nash.streams import derive
from tests.nash.strategies import Properties

CONFIG = SearchConfig(
    input_shape=(1, 8, 8), channels=(4, 4, 4), n_steps=3, n_neigh=4, n_NM=2, epoch_pretrain=1, epoch_neigh=2,
    epoch_final=3, max_channels=16,
)  # fmt: skip
Fate = Callable[[Job], Outcome]
Search = dict[Key, Outcome]

properties = Properties()


def fate_of(salt: int, survives: float = 5 / 6) -> Fate:
    """How each job ends: the same at every call, another with another salt."""

    def fate(job: Job) -> Outcome:
        rng = random.Random(f"{salt} {job.key} {job.architecture.digest}")
        if rng.random() > survives:
            return Outcome(job, rng.choice(("failed", "diverged", "too_big")))
        return Outcome(job, "done", None if job.kind == "final" else rng.randrange(4) / 4)

    return fate


def algorithm_1(config: SearchConfig, fate: Fate) -> Search:
    """The paper's page, line by line, with nothing of plan() in it; n_neigh = 1 as method section 1 says."""
    trained: Search = {}

    def train(*job: Any) -> Outcome:
        outcome = fate(Job(*job))
        trained[outcome.job.key] = outcome
        return outcome

    best = train("pretrain", 0, 0, None, (), config.initial_architecture(), config.epoch_pretrain)  # lines 1 to 5
    for i in range(1, config.n_steps + 1):  # line 7
        if best.status != "done":
            return trained
        neighbours = []
        model_best = best.job.architecture
        for j in range(1, max(config.n_neigh, 2)):  # line 8
            rng = random.Random(derive(config.seed, "morphism", i, j))
            morphisms = tuple(draw_morphisms(model_best, config.n_NM, rng, config.bounds))  # line 9: ApplyNetMorphs
            child = model_best.morphed(morphisms)
            neighbours.append(train("neighbour", i, j, best.job.key, morphisms, child, config.epoch_neigh))
        if config.n_neigh > 1:  # lines 15 to 17: model_best itself is the last neighbour
            last = train("neighbour", i, config.n_neigh, best.job.key, (), model_best, config.epoch_neigh)
            neighbours.insert(0, last)
        best = neighbours[0]
        for neighbour in neighbours:  # line 19: argmax; of equals the first, which is the parent or else the lower j
            if neighbour.status == "done" and (best.status != "done" or neighbour.val_accuracy > best.val_accuracy):
                best = neighbour
    if best.status == "done":
        train("final", config.n_steps, 0, best.job.key, (), best.job.architecture, config.epoch_final)  # lines 22-25
    return trained


def searched(config: SearchConfig, fate: Fate, seed: int, history: Sequence[Outcome] = ()) -> list[Outcome]:
    """A search by plan(), asked again after every training; which one ends next, and where it is noted, is chance."""
    rng, history, running = random.Random(seed), list(history), {}
    while True:
        for job in plan(config, tuple(history)):
            assert running.setdefault(job.key, job) == job, "a job that runs is planned as it was before"
        if not running:
            return history
        ends = running.pop(rng.choice(sorted(running)))
        history.insert(rng.randrange(len(history) + 1), fate(ends))


def by_key(history: Sequence[Outcome]) -> Search:
    assert len({o.job.key for o in history}) == len(history), "nothing is trained twice"
    return {o.job.key: replace(o, job=replace(o.job, notes=())) for o in history}


@st.composite
def configs(draw: st.DrawFn, n_neigh: int | None = None) -> SearchConfig:
    return CONFIG.replace(
        seed=draw(st.integers(0, 99)),
        n_steps=draw(st.integers(1, 4)),
        n_neigh=n_neigh or draw(st.integers(1, 5)),
        n_NM=draw(st.integers(1, 3)),
    )


FATES = st.builds(fate_of, st.integers(0, 99))
SEEDS = st.integers(0, 99)


@properties.hold_for(60, many=1000, config=configs(), fate=FATES, order=SEEDS)
def test_a_search_is_algorithm_1_line_by_line_in_whatever_order_its_trainings_end(config, fate, order):
    assert by_key(searched(config, fate, order)) == algorithm_1(config, fate)


@properties.hold_for(20, many=300, config=configs(1), fate=FATES, order=SEEDS)
def test_with_n_neigh_1_every_step_is_one_morphed_child_that_the_next_grows_from(config, fate, order):
    search = by_key(searched(config, fate, order))
    assert search == algorithm_1(config, fate)
    for (kind, step, _), outcome in search.items():
        if kind == "neighbour":
            assert len(outcome.job.morphisms) == config.n_NM
            assert outcome.job.parent == (("neighbour", step - 1, 1) if step > 1 else ("pretrain", 0, 0))


@properties.hold_for(20, many=300, config=configs(), fate=FATES, orders=st.tuples(SEEDS, SEEDS), cut=SEEDS)
def test_a_search_that_is_resumed_anywhere_ends_as_the_same_search(config, fate, orders, cut):
    whole = searched(config, fate, orders[0])
    known = {o.job.key: o for o in whole}
    history: list[Outcome] = []
    for _ in range(cut % (len(whole) + 1)):  # what has ended at some moment, in an order of its own
        possible = [job for job in plan(config, history) if job.key in known]
        history.append(known[possible[cut % len(possible)].key])
    assert by_key(searched(config, fate, orders[1], history)) == by_key(whole)


@properties.hold_for(20, many=300, config=configs(), fate=FATES, orders=st.tuples(SEEDS, SEEDS))
def test_an_extended_search_keeps_its_steps_and_becomes_the_longer_search(config, fate, orders):
    short, longer = config.replace(n_steps=3), config.replace(n_steps=5)
    history = searched(short, fate, orders[0])
    extended = by_key(searched(longer, fate, orders[1], history))
    assert by_key(history).items() <= extended.items()
    first_final = ("final", 3, 0)
    assert {k: o for k, o in extended.items() if k != first_final} == algorithm_1(longer, fate)


@pytest.mark.parametrize("survives", [0.0, 0.3, 0.6])
def test_a_search_has_failed_exactly_where_algorithm_1_could_not_go_on(survives):
    ends = set()
    for salt in range(30):
        fate = fate_of(salt, survives)
        history = searched(CONFIG, fate, salt)
        final = algorithm_1(CONFIG, fate).get(("final", CONFIG.n_steps, 0))
        assert plan(CONFIG, history) == []
        assert has_failed(CONFIG, history) == (final is None or final.status != "done")
        ends.add(has_failed(CONFIG, history))
    assert True in ends
    assert survives < 0.6 or False in ends


def test_every_rank_of_a_tie_is_met():
    """The pretended accuracies do what this file needs: ties that the parent wins and ties of children alone."""
    kinds = set()
    for salt in range(40):
        search = algorithm_1(CONFIG, fate_of(salt))
        for step in range(1, CONFIG.n_steps + 1):
            done = [o for k, o in search.items() if k[:2] == ("neighbour", step) and o.status == "done"]
            best = max((o.val_accuracy for o in done), default=None)
            tied = [o for o in done if o.val_accuracy == best]
            kinds.add("none" if not done else (len(tied) > 1, any(o.job.is_parent for o in tied)))
    assert kinds >= {(True, True), (True, False), (False, True), (False, False)}


def test_planning_changes_nothing_that_it_is_given_and_is_the_same_at_every_call():
    history = searched(CONFIG, fate_of(1), 1)
    for n in range(len(history)):
        part = sorted(history, key=lambda o: (o.job.step, o.job.kind != "pretrain", o.job.index))[:n]
        given = list(part)
        jobs = plan(CONFIG, given)
        random.seed(n)  # nothing is drawn from the global stream
        assert plan(CONFIG, iter(part)) == plan(CONFIG, reversed(part)) == jobs
        assert given == part


def test_the_same_seed_is_the_same_search_and_another_is_not():
    seeds_and_orders = ((0, 1), (0, 2), (1, 1))
    searches = [by_key(searched(CONFIG.replace(seed=s), fate_of(3), order)) for s, order in seeds_and_orders]
    assert searches[0] == searches[1]
    children = [[o.job.morphisms for k, o in sorted(s.items()) if k[0] == "neighbour"] for s in searches]
    assert children[0] != children[2]


test_many_more_examples_of = properties.many()
