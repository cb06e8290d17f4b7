"""How long a search will still take, and what one would cost before it is launched."""

import random
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searches.nash.config import SearchConfig
from searches.nash.hillclimb import Outcome, plan
from searches.nash.presets import preset_config
from searches.selectors import growth
from searches.selectors.belief import Belief
from searches.selectors.estimate import Site, Work, cases, makespan, reference_macs, time_left, timed
from searches.selectors.footprint import Load, Weighed, footprint_of
from searches.selectors.growth import Clock, climbs
from searches.selectors.machine import CPU_BATCH_SECONDS, FLOPS
from searches.selectors.pace import ALIKE_DOUBT, AROUND_SECONDS, UNLIKE_DOUBT, Machine, Timed, pace_of
from searches.selectors.past import OTHER_SEARCH_NOISE, leaning_of
from tests.recorded import FOLDER, begun, read, recordings, seconds_of
from tests.searches.rows import TINY

MACHINE = Machine(2, flops=40e9, batch_seconds=0.01, words="2 cores")
CONFIG = SearchConfig(**{**TINY, "n_steps": 1, "n_neigh": 4, "epoch_pretrain": 2, "epoch_neigh": 2, "epoch_final": 4})
SITE = Site(n_train=8000, n_validation=2000, n_workers=1, machine=MACHINE)
N_MACS = climbs(CONFIG, clock=Clock(60))[0].steps[0][-1].n_macs  # model_0's: the parent's own slot
SMALL = preset_config("small", input_shape=(3, 32, 32))
SMALL_SECONDS = 718.0
"""Of preset small, the mean of three seeds, two workers on a machine as FREE is: README, 11 min 58 s."""
FREE = Machine(2, FLOPS["avx512bf16"], CPU_BATCH_SECONDS, "2 cores")
CIFAR = Site(40_000, 10_000, 2, FREE)
MODEL_0 = Work("pretrain", 0, N_MACS, epochs=2, epoch=2.0, seconds=200.0, is_open=False, threads=1, around=0.5)


def site_of(recorded: dict[str, Any]) -> Site:
    config = SearchConfig.from_dict(recorded["config"])
    n_validation = config.n_validation or recorded["n_train"] // 5
    return Site(recorded["n_train"] - n_validation, n_validation, recorded["n_workers"], MACHINE)


def left(works: list[Work], config: SearchConfig = CONFIG, **site: Any) -> float:
    found = time_left(config, works, replace(SITE, **site), simulate_seconds=60)
    assert found is not None
    return found


def child(index: int, **changes: Any) -> Work:
    return replace(Work("neighbour", 1, N_MACS, epochs=2, index=index), **changes)


# ---------------------------------------------------------------------- time left


@pytest.mark.parametrize("path", [*recordings("demo"), *recordings("small")], ids=lambda path: path.stem)
def test_at_half_time_a_search_that_really_ran_is_known_to_a_fifth(path: Path):
    recorded = read(path)
    end = seconds_of(recorded)
    config = SearchConfig.from_dict(recorded["config"])
    found = time_left(config, begun(recorded, end / 2), site_of(recorded), simulate_seconds=60)
    assert found == pytest.approx(end / 2, rel=0.2)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_how_long_the_steps_of_preset_small_still_take_is_known_to_a_fifth(share: float):
    """Of a search on CIFAR-10 whose machine was disturbed only after its steps, so that no more of it is recorded."""
    recorded = read(FOLDER / "steps-small-1.json")
    end, config = seconds_of(recorded), SearchConfig.from_dict(recorded["config"])
    works, site = begun(recorded, share * end), replace(site_of(recorded), machine=FREE)
    one, two = (time_left(config.replace(epoch_final=n), works, site, simulate_seconds=60) for n in (1, 2))
    assert one is not None
    assert two is not None
    steps_alone = one - (two - one)
    assert steps_alone == pytest.approx((1 - share) * end, rel=0.2)


def test_there_are_recordings_of_the_demo_and_of_preset_small():
    assert len(recordings("demo")) >= 2
    assert recordings("small")


def test_nothing_is_estimated_before_anything_was_measured():
    assert time_left(CONFIG, [replace(MODEL_0, epoch=0.0, seconds=0.0, is_open=True)], SITE) is None


def test_a_training_that_runs_is_judged_by_its_own_pace():
    done = [child(j, epoch=2.0, seconds=200.0, is_open=False, val_accuracy=0.5, threads=1) for j in (1, 2, 3, 4)]
    done[0] = replace(done[0], is_winner=True)
    final = Work("final", 1, N_MACS, epochs=4, epoch=3.0, seconds=750.0, threads=1)
    assert left([MODEL_0, *done, final]) == pytest.approx(250.0)
    assert left([MODEL_0, *done, replace(final, is_open=False, epoch=4.0, seconds=1000.0)]) == 0.0


def test_of_a_training_that_has_just_begun_its_own_pace_counts_as_far_as_it_goes():
    """An epoch that took ten times as long does not make all that are to come take so long."""
    config = CONFIG.replace(epoch_final=40)
    done = [child(j, epoch=2.0, seconds=200.0, is_open=False, val_accuracy=0.5, threads=1) for j in (1, 2, 3, 4)]
    done[0] = replace(done[0], is_winner=True)

    def slow(epoch: float) -> float:
        final = Work("final", 1, N_MACS, 40, epoch=epoch, seconds=1180 * epoch, threads=1)
        return left([MODEL_0, *done, final], config)

    assert slow(10.0) == pytest.approx(30 * 1180)
    assert 39 * 118 < slow(1.0) < 39 * 1180 / 4


def test_children_of_a_step_share_the_workers():
    waiting = [MODEL_0, *(child(j) for j in (1, 2, 3, 4))]
    final_alone = left(waiting, n_workers=4) - left(waiting, n_workers=4) / 2
    assert final_alone > 0
    assert left(waiting, n_workers=1) - left(waiting, n_workers=2) == pytest.approx(2 * (200 + 0.5), rel=0.1)


def test_a_larger_network_takes_longer():
    small = [MODEL_0, *(child(j) for j in (1, 2, 3, 4))]
    large = [MODEL_0, child(1, n_macs=500 * N_MACS), *(child(j) for j in (2, 3, 4))]
    assert left(large) > left(small) + 50


def test_hours_that_run_out_end_the_steps_but_not_the_final_training():
    config = CONFIG.replace(n_steps=5)
    whole = left([MODEL_0], config)
    cut = left([MODEL_0], config, hours_left=0.1)
    final = left([MODEL_0], config, hours_left=0.0)
    assert 0 < final < cut < whole
    assert cut == pytest.approx(360 + final, rel=0.2)


def test_comparisons_to_come_are_counted_with_all_images():
    # 100 s an epoch of 8,000 images and 2,000 to look at, which are a quarter of one each
    alone, epoch = left([MODEL_0]), 100 * 10_000 / 8_500
    both = left([MODEL_0], CONFIG.replace(comparisons=("model_0-final", "scratch")))
    assert both - alone == pytest.approx(epoch * (4 + 8), rel=0.25)
    assert reference_macs(16, 4, (1, 8, 8), 10) > 100 * N_MACS


def test_comparisons_that_are_planned_are_not_counted_twice():
    config = CONFIG.replace(comparisons=("scratch",))
    steps = [child(j, epoch=2.0, seconds=200.0, is_open=False, val_accuracy=0.5, threads=1) for j in (1, 2, 3, 4)]
    final = Work("final", 1, N_MACS, epochs=4, epoch=4.0, seconds=470.0, is_open=False, threads=1)
    waiting = Work("scratch", 1, N_MACS, epochs=8)
    assert left([MODEL_0, *steps, final, waiting], config) == pytest.approx(8 * 100 * 10_000 / 8_500, rel=0.1)


def test_jobs_go_to_the_worker_that_is_free_first():
    assert makespan([3, 3, 2, 2, 2], 2) == 7
    assert makespan([], 2) == 0


# ---------------------------------------------------------------------- before the start


def lesson(name: str, images: str) -> tuple[list[Timed], list[float], list[tuple[int, int, int, bool]]]:
    """What a search that really ran teaches another one, as selectors/past.py reads its rows."""
    recorded = read(FOLDER / f"{name}.json")
    works = begun(recorded, seconds_of(recorded))
    rows = timed(SearchConfig.from_dict(recorded["config"]), works, site_of(recorded))
    decided = [(len(name), w.step, int(w.n_macs), w.is_winner) for w in works if w.kind == "neighbour"]
    known = [replace(t, noise=OTHER_SEARCH_NOISE, images=images) for t in rows]
    return known, [w.around or 0.0 for w in works], decided


DEMO, STEPS = lesson("lesson-digits-1", "1x8x8"), lesson("steps-small-1", "")


def expected(*lessons: Any) -> tuple[float, float, float]:
    """Low, middle and high of SMALL on CIFAR-10, in seconds, by what these searches teach."""
    known, around, decided = (list(chain.from_iterable(lesson[i] for lesson in lessons)) for i in range(3))
    ways = climbs(SMALL, leaning=leaning_of(decided), clock=Clock(60))
    found = cases(SMALL, CIFAR, pace_of(FREE, known, around), ways)
    return found[len(found) // 10], found[len(found) // 2], found[-len(found) // 10]


@pytest.mark.parametrize("lessons", [(), (DEMO,)], ids=["nothing", "the demo"])
def test_before_its_images_were_ever_timed_a_search_is_known_to_a_half_and_the_range_holds_it(lessons):
    low, middle, high = expected(*lessons)
    assert SMALL_SECONDS / 1.5 < middle < 1.5 * SMALL_SECONDS
    assert low < SMALL_SECONDS < high


def test_a_search_on_the_same_images_makes_it_sure():
    low, middle, high = expected(DEMO, STEPS)
    assert middle == pytest.approx(SMALL_SECONDS, rel=0.2)
    assert low < SMALL_SECONDS < high
    wide_low, _, wide_high = expected(DEMO)
    assert high / low < 0.7 * wide_high / wide_low


def test_what_is_off_together_for_all_images_of_a_size_is_not_averaged_away():
    one = [Timed(m * 1e6, 0.002 + m * 1e-3, all_cores=False, images="1x8x8") for m in (1, 2)]
    few, many = 2 * one, 500 * one
    assert pace_of(FREE, many).doubt == pace_of(FREE, few).doubt == UNLIKE_DOUBT

    def spread(known: list[Timed]) -> float:
        """Of a batch that was timed, as a share."""
        row, belief = np.array([1.0, 1e6, 0.0]), pace_of(FREE, known).belief
        return float(np.sqrt(row @ belief.covariance @ row) / (row @ belief.mean))

    assert spread(many) > 0.8 * spread(few) > 0.2  # of what is independent a sixteenth would be left
    assert pace_of(FREE, [replace(t, images="") for t in few]).doubt == ALIKE_DOUBT


# ---------------------------------------------------------------------- growth


def sizes_of_a_real_search(config: SearchConfig, chosen: dict[int, int]) -> list[list[int]]:
    history: list[Outcome] = []
    steps = []
    while jobs := plan(config, history):
        steps.append([job.architecture.n_macs for job in jobs])
        history += [Outcome(j, "done", 1.0 if chosen.get(j.step) == j.index else 0.1) for j in jobs]
    return steps[1:-1]


def test_a_simulated_step_has_the_networks_that_the_search_itself_will_draw():
    config = preset_config("demo", input_shape=(1, 8, 8))
    for first, way in ((j, climbs(config, (j,), clock=Clock(60))[0]) for j in (1, 2, 3, 4)):
        step_2 = sizes_of_a_real_search(config, {1: first})[1]
        assert [size.n_macs for size in way.steps[0]] == step_2


def test_climbs_repeat_themselves_and_differ_among_each_other():
    config = preset_config("demo", input_shape=(1, 8, 8))
    found = climbs(config, clock=Clock(60))
    assert found == climbs(config, clock=Clock(0))  # the second time all is known
    assert len({way.winner for way in found}) > 1
    assert all(way.is_whole for way in found)


def test_without_time_growth_is_extrapolated_within_the_bound():
    config = preset_config("paper-5", seed=987)
    for way in climbs(config, clock=Clock(0)):
        assert not way.is_whole
        assert len(way.steps) == 5
        assert way.winner.n_macs <= config.max_macs


def test_settings_that_draws_do_not_follow_from_share_what_is_cached():
    config = preset_config("demo")
    assert growth.growth_settings(config) == growth.growth_settings(config.replace(epoch_final=3, momentum=0.5))
    assert growth.growth_settings(config) != growth.growth_settings(config.replace(seed=1))


def test_the_leader_of_an_open_step_wins_the_likelier_the_more_of_it_has_ended():
    from searches.selectors.estimate import _chances

    done = [child(1, is_open=False, val_accuracy=0.9), child(2, is_open=False, val_accuracy=0.8)]
    assert _chances([*done, child(3), child(4)]) == [2.0, 0.0, 1.0, 1.0]


# ---------------------------------------------------------------------- pace and memory


def test_a_belief_comes_to_what_was_seen():
    rng = random.Random(0)
    rows = [[1.0, rng.random()] for _ in range(200)]
    values = [2.0 + 3.0 * x + rng.gauss(0, 0.1) for _, x in rows]
    belief = Belief.before((0.0, 0.0), (10.0, 10.0)).after(rows, values, [0.1] * 200)
    exact = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    assert belief.mean == pytest.approx(exact, rel=1e-3)
    assert np.sqrt(np.diag(belief.covariance)) == pytest.approx([0.014, 0.024], rel=0.3)


def test_the_range_narrows_with_what_was_measured():
    config = preset_config("demo", input_shape=(1, 8, 8))
    site = Site(1198, 299, 2, MACHINE)
    ways = climbs(config, clock=Clock(60))
    measured = [Timed(m * 32, 0.02 + m * 32 / 8e9, all_cores=False) for m in (6e4, 2e5, 3e5, 7e6)]
    spread = []
    for known in ([], measured):
        found = cases(config, site, pace_of(MACHINE, known), ways)
        spread.append(found[-12] / found[12])
    assert spread[0] > 2 * spread[1]
    assert pace_of(MACHINE, measured).n_timed == 4
    assert pace_of(MACHINE, []).around == AROUND_SECONDS


def test_memory_is_learnt_from_peaks():
    light, heavy = Load(1e6, 1e6, 1e5), Load(5e7, 1e6, 1e6)
    peaks = [Weighed(load, 6e8 + 8 * load.values + 16 * load.n_parameters) for load in (light, heavy)] * 4
    footprint = footprint_of("cpu", peaks)
    assert footprint.peak_bytes(heavy) == pytest.approx(6e8 + 8 * 5e7 + 16e6, rel=0.05)
    assert footprint_of("cpu", []).n_weighed == 0
