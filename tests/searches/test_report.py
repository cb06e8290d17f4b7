"""A search as one HTML file: all of it there, nothing from elsewhere."""

import re
from itertools import pairwise
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse
from django.utils.html import escape

from searches import report, services
from searches.diagrams.charts import Line, Stop, best_svg, curves_svg
from searches.models import ENGINE_VERSION, Candidate, Search
from searches.report import report_html
from searches.services.events import append, lock_search
from tests.searches.rows import make_search, run_to, run_to_end

pytestmark = pytest.mark.django_db


def with_curves(search):
    for candidate in search.candidates.exclude(val_accuracy=None):
        for epoch in range(candidate.epochs + 1):
            accuracy = candidate.val_accuracy - 0.01 * (candidate.epochs - epoch)
            candidate.points.create(optimiser_step=epoch, epoch=epoch, loss=1.0, lr=0.1, val_accuracy=accuracy)
    return search


def test_the_file_has_tree_curves_drawings_tables_and_settings():
    page = report_html(with_curves(run_to_end(make_search(name="A <b>bold</b> one"))))
    assert "A &lt;b&gt;bold&lt;/b&gt; one" in page
    assert page.count('role="treeitem"') == 1 + 2 * 3 + 1
    assert page.count('class="chart"') == 1 + 3  # best of each step; pretraining and two steps
    assert page.count('class="arch"') == 3  # model_0 and two winners
    for code in ("1.1", "1.2", "1.3", "2.1", "2.2", "2.3"):
        assert f'<th scope="row">{code}</th>' in page
    for setting in ("lambda_start", "n_neigh", "epoch_final"):
        assert f"<dt>{setting}</dt>" in page
    assert "90.00" in page  # the test accuracy


def test_the_file_says_with_which_engine_versions_the_search_was_made():
    search = make_search()
    assert f" · engine {ENGINE_VERSION}</p>" in report_html(search)
    run_to(search, "1.1")
    Search.objects.filter(pk=search.pk).update(engine_version=ENGINE_VERSION - 1)
    services.go_on(search, "a test")
    run_to_end(search)
    assert f" · engine {ENGINE_VERSION - 1}, from step 1 on {ENGINE_VERSION}</p>" in report_html(search)


def read(page: str) -> str:
    """The file's words, as they are read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def measured(candidate: Candidate, gap: dict[str, Any]) -> None:
    """Keep a gap as services/gaps.py does: with an event that names the training."""
    with transaction.atomic():
        Candidate.objects.filter(pk=candidate.pk).update(gap=gap)
        append(lock_search(candidate.search_id), "gaps", "", candidates=[{"id": candidate.pk, "gap": gap}])


def test_each_candidate_has_its_gap_to_the_winner_with_the_paired_test():
    search = run_to_end(make_search())
    winner, loser = search.candidates.get(step=1, index=2), search.candidates.get(step=1, index=1)
    gap = {"to": winner.pk, "ahead": 30, "behind": 60, "p": 0.0021, "low": -0.15, "high": -0.05}
    measured(loser, gap)
    words = read(report_html(search))
    assert "clear −10.00 −15.00 to −5.00, p 0.0021" in words  # 60 % against 70 %
    assert "McNemar’s test" in words
    measured(loser, gap | {"p": 0.31})
    assert "within noise −10.00" in read(report_html(search))
    measured(loser, gap | {"to": 0})  # against who led before
    again = read(report_html(search))
    assert "−10.00" in again
    assert "p 0.0021" not in again


def test_what_people_wrote_the_morphisms_and_the_log_are_there(alice):
    search = run_to_end(make_search())
    services.set_note(search, "It **ended**. <script>alert(1)</script>", "alice")
    services.set_tags(search, ["night"], "alice")
    services.set_note(search.candidates.get(step=1, index=2), "Why this one?", "alice")
    page = report_html(Search.objects.get(pk=search.pk))
    words = read(page)
    assert "<strong>ended</strong>" in page
    assert "<script" not in page
    assert "night" in words
    assert "1.2 Why this one?" in words
    drawn = sum(len(c.morphisms) for c in search.candidates.filter(kind="neighbour"))
    table = page[page.index('id="operators"') :]
    counts = re.findall(r'<th scope="row">\w+</th><td class="num">(\d+)</td>', table[: table.index("</table>")])
    assert sum(map(int, counts)) == drawn
    for event in search.events.exclude(words="").exclude(kind__in=["epoch", "seal"]):
        assert escape(event.words) in page


def test_the_log_is_cut_to_a_sensible_size_but_keeps_every_decision(monkeypatch):
    search = run_to_end(make_search())
    monkeypatch.setattr(report, "LOG_LINES", 3)
    page = report_html(search)
    assert "earlier lines left out" in read(page)
    for event in search.events.exclude(level="info"):
        assert escape(event.words) in page


def test_the_file_needs_nothing_from_elsewhere():
    page = report_html(with_curves(run_to_end(make_search())))
    assert "<script" not in page
    assert "@import" not in page
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']*["']""", page) == []
    assert re.findall(r"url\((?!#|data:)", page) == []
    assert set(re.findall(r"https?://[^\s\"'<)]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_a_search_that_runs_can_be_saved_too():
    assert "step 1" in report_html(run_to(make_search(), "1.2").search).lower()


def test_it_is_offered_as_a_file_to_who_sees_the_search(client, alice):
    search = run_to_end(make_search(owner=alice, name="Night run"))
    answer = client.get(reverse("search_report", args=[search.uuid]))
    assert answer["Content-Disposition"] == f'attachment; filename="night-run-{str(search.uuid)[:8]}.html"'
    assert (
        reverse("search_report", args=[search.uuid]) in client.get(reverse("search_detail", args=[search.uuid])).text
    )
    client.logout()
    assert client.get(reverse("search_report", args=[search.uuid])).status_code == 302


def test_the_command_writes_it_into_a_folder(tmp_path, capsys):
    search = run_to_end(make_search(name="Night run"))
    folder = tmp_path / "mail"
    folder.mkdir()
    call_command("search", "report", str(search.uuid), str(folder))
    [file] = folder.iterdir()
    assert file.name == f"night-run-{str(search.uuid)[:8]}.html"
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(file) in capsys.readouterr().out


def test_a_chart_names_its_lines_at_their_ends_without_overlap():
    lines = [Line(f"1.{j}", j, ((0.0, 0.5), (4.0, 0.7 + 0.001 * j))) for j in range(1, 9)]
    svg = curves_svg(lines, epochs=4, label="Step 1")
    ends = [float(y) for y in re.findall(r'<text x="[^"]*" y="([^"]*)" class="end"', svg)]
    assert len(ends) == 8
    assert all(b - a >= 14 for a, b in pairwise(ends))
    assert curves_svg([], epochs=4, label="") == ""


def test_a_best_that_falls_is_drawn_falling():
    svg = best_svg([Stop("model_0", 0.7, 0.69, 0.71), Stop("1.1", 0.6, 0.59, 0.61)], label="Best")
    first, second = re.search(
        r'd="M\S+ (\S+)L\S+ (\S+)" class|class="curve s-1" d="M\S+ (\S+)L\S+ ([^"]+)"', svg
    ).groups()[2:]
    assert float(second) > float(first)
