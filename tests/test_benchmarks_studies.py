"""What a search costs beside training, from spans of time; studies that go on where they were, and their tables."""

import math
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks import clipping, images, overhead, precision, report, short_search
from benchmarks.intervals import t_interval
from benchmarks.measures import Measure, read_json
from benchmarks.overhead import Span
from benchmarks.report import with_part
from benchmarks.studies import Results
from tests.searches import rows

# ---------------------------------------------------------------------- what a search costs beside training


def two_cores() -> list[Span]:
    """Pretraining on both cores, three neighbours on one each, final training on both: 2 core-seconds wait."""
    return [
        Span("pretrain", created=-50.0, started=0.0, ended=10.0, seconds=9.0, threads=2),
        Span("neighbour", created=10.0, started=11.0, ended=20.0, seconds=8.0, threads=1),
        Span("neighbour", created=10.0, started=10.0, ended=15.0, seconds=5.0, threads=1),
        Span("neighbour", created=10.0, started=15.5, ended=25.0, seconds=9.5, threads=1),
        Span("final", created=25.0, started=25.25, ended=45.25, seconds=20.0, threads=2),
    ]


def test_a_core_is_only_held_idle_by_a_training_that_fits_on_it():
    # 1.0 before the first neighbour, 0.5 before the third, 2 x 0.25 before the final training; from 20.0 to 25.0
    # a core is idle too, but nothing can be trained yet.
    assert overhead.idle_while_waiting(two_cores()[1:]) == pytest.approx(2.0)


def test_the_overhead_of_a_search_is_what_its_claimed_and_waited_core_seconds_do_not_train():
    measures = overhead.measures_of_spans(two_cores())
    claimed, waited, worked = 2 * 10 + 9 + 5 + 9.5 + 40, 2.0, 2 * 9 + 8 + 5 + 9.5 + 40
    assert measures["search_overhead"].value == pytest.approx(1 - worked / (claimed + waited))
    assert measures["search_idle_share"].value == pytest.approx(5 / (2 * 45.25))
    of_wall_time = measures["search_overhead"].value * (1 - measures["search_idle_share"].value)
    assert of_wall_time == pytest.approx((claimed + waited - worked) / (2 * 45.25))
    assert measures["search_wall_seconds"].value == pytest.approx(45.25)
    assert measures["search_steps_share"].value == pytest.approx(15 / 45.25)


@pytest.mark.django_db
def test_a_finished_search_is_read_from_its_rows():
    search = rows.run_to_end(rows.make_search(n_steps=1))
    spans = overhead.spans_of(search)
    assert [s.kind for s in spans].count("neighbour") == 3
    assert {s.kind for s in spans} == set(overhead.KINDS)
    assert all(s.created <= s.started <= s.ended for s in spans)
    assert all(s.seconds == 2.0 and s.threads == 1 for s in spans)


@pytest.mark.django_db
def test_only_a_search_that_finished_in_one_go_says_what_it_costs():
    search = rows.make_search(n_steps=1)
    with pytest.raises(ValueError, match="waiting"):
        overhead.spans_of(search)
    rows.expire(rows.leased(rows.pending(search)[0]).candidate_id)
    with pytest.raises(ValueError, match="interrupted"):
        overhead.spans_of(_finished_after(search))


def _finished_after(search):
    candidate = search.candidates.get(status="running")
    lease = rows.leased(candidate)
    rows.services.finish(lease, rows.result(0.5))
    return rows.run_to_end(search)


def test_the_estimate_puts_what_was_timed_beside_trainings_of_full_length():
    row = {
        "wall": 10.0, "trained": 6.0, "real": 95.0, "threads": 1,
        "phases": {"seal": 1.0, "testing": 1.0, "setting up": 0.5, "beats": 0.1},
    }  # fmt: skip
    measures = short_search.measured([row], beat_seconds=0.01)
    assert measures["search_overhead"].value == pytest.approx((3 + 0.95) / (3 + 0.95 + 95 + 1))
    assert measures["overhead_seconds, seal"].value == 1.0
    assert measures["overhead_seconds, the rest"].value == pytest.approx(1.5)
    assert measures["overhead_seconds, beats"].value == pytest.approx(0.95)


# ---------------------------------------------------------------------- studies


def test_a_t_interval_is_that_of_the_textbook():
    found = t_interval([1.0, 2.0, 3.0, 4.0])
    assert (found.n, found.mean) == (4, 2.5)
    assert found.low == pytest.approx(2.5 - 3.182446 * 1.290994 / 2, abs=1e-5)
    assert found.high == pytest.approx(5.0 - found.low)
    assert math.isnan(t_interval([1.0]).low)
    with pytest.raises(ValueError, match="no values"):
        t_interval([])


def test_a_study_goes_on_where_it_was_even_after_a_line_was_cut_short(tmp_path: Path):
    path = tmp_path / "build" / "study.jsonl"
    jobs = [{"seed": seed} for seed in range(3)]
    Results(path).append({"seed": 0, "accuracy": 0.5})
    with path.open("a") as file:
        file.write('{"seed": 1, "accur')
    assert Results(path).missing(jobs) == jobs[1:]
    Results(path).append({"seed": 1, "accuracy": 0.6})
    again = Results(path)
    assert again.missing(jobs) == [{"seed": 2}]
    assert again.of({"seed": 1}) == {"seed": 1, "accuracy": 0.6}


def test_the_precision_study_pairs_sixteen_seeds_of_a_and_twelve_of_b():
    jobs = precision.jobs_of("cifar10", precision.PARTS)
    assert len(jobs) == 2 * (16 + 12)
    for low, full in zip(jobs[::2], jobs[1::2], strict=True):
        assert (low.pop("precision"), full.pop("precision")) == precision.PRECISIONS
        assert low == full
    assert {(job["network"], job["n_images"], job["epochs"]) for job in jobs} == {
        ("A", 40_000, 10),
        ("B", 20_000, 10),
    }


def test_the_two_of_a_pair_differ_in_their_precision_alone():
    low, full = (
        {"network": "A", "seed": 1, "precision": p, "n_images": 256, "epochs": 1} for p in precision.PRECISIONS
    )
    a, b, again = (precision.train(job, "digits") for job in (low, full, full))
    assert b["loss"] == again["loss"]
    assert a["loss"] != b["loss"]
    assert a["loss"] == pytest.approx(b["loss"], rel=0.02)
    assert 0 < b["accuracy"] < 1


def test_the_precision_table_shows_the_mean_of_the_paired_differences():
    lines = [
        {"network": "A", "n_images": 10, "epochs": 1, "seed": s, "precision": p, "accuracy": a, "engine": "e"}
        for s, pair in enumerate([(0.50, 0.52), (0.60, 0.61), (None, 0.3)])
        for p, a in zip(precision.PRECISIONS, pair, strict=True)
    ]
    last = precision.table(lines).splitlines()[2]
    assert last.startswith("| A | 10, 1 | 2, 1 diverged | 56.50 % | 55.00 % | -1.500 | -7.853 to +4.853 |")


def test_children_are_trained_under_each_limit_from_one_parent(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(clipping, "BUILD", tmp_path)
    parents = clipping.parents_of("digits", clipping.QUICK)
    jobs = clipping.children_of(parents)
    assert len(jobs) == len(clipping.CHILDREN) * len(clipping.LIMITS)
    clipping.train(parents[0], "digits")
    tight, loose = (job for job in jobs if job["child"] == "concat c2 → c3" and job["limit"] in (0.5, None))
    accuracies = [clipping.train(job, "digits")["accuracy"] for job in (tight, loose)]
    assert all(0 < a < 1 for a in accuracies)
    assert accuracies[0] != accuracies[1]


def test_the_clipping_table_has_a_row_a_child_and_says_what_diverged():
    lines = [
        {
            "child": child,
            "limit": limit,
            "accuracy": None if limit is None and seed else 0.5 + seed / 10,
            "engine": "e",
        }
        for child in clipping.CHILDREN
        for limit in clipping.LIMITS
        for seed in range(2)
    ]
    table = clipping.table(lines).splitlines()
    assert len(table) == 2 + len(clipping.CHILDREN)
    assert table[2].startswith("| parent | 50.00 % (50.00), 1 of 2 diverged | 55.00 % (50.00) |")


def test_a_part_of_the_results_is_replaced_and_a_new_one_stands_in_order():
    page = with_part("# Results\n\nWords.\n", "clipping", "| old |\n")
    page = with_part(with_part(page, "bench", "| speed |\n"), "clipping", "| new |\n")
    assert "| old |" not in page
    assert page.index("Words.") < page.index("| speed |") < page.index("| new |")
    assert with_part(page, "bench", "| speed |\n") == page


def test_without_cifar10_a_study_leaves_with_words_and_without_an_error(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr(images, "BUILD", tmp_path)
    monkeypatch.setenv("NASH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NASH_TEST_CIFAR10", str(tmp_path / "none.zip"))
    with pytest.raises(SystemExit) as left:
        images.cifar10_or_leave()
    assert left.value.code == 0
    assert "NASH_TEST_CIFAR10" in capsys.readouterr().err


@pytest.mark.parametrize(("busy", "written"), [([0.04, None], True), ([0.06, 0.0], False), ([0.0, 0.06], False)])
def test_numbers_beside_much_other_work_do_not_come_into_the_docs(tmp_path, monkeypatch, busy, written):
    page = tmp_path / "results.md"
    page.write_text("# Results\n")
    monkeypatch.setattr(bench, "BUILD", tmp_path / "build")
    for name, place in (("BUILD", tmp_path / "build"), ("RESULTS", page), ("ROOT", tmp_path)):
        monkeypatch.setattr(report, name, place)
    measures = {"train_ratio_A": Measure(4.0, "x")}
    if written:
        bench.keep(measures, busy, quick=False, docs=True)
    else:
        with pytest.raises(SystemExit, match=r"results.md is left as it is. Other work.*\b6 %"):
            bench.keep(measures, busy, quick=False, docs=True)
    assert read_json(tmp_path / "build" / "bench.json") == measures
    assert ("train_ratio_A" in page.read_text()) is written
