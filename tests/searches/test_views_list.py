"""The list of searches: the waiting order, what was deleted, disk use."""

import re

import pytest
from django.urls import reverse

from searches import services
from searches.models import Search
from searches.selectors import candidate_folder
from tests.searches.rows import leased, make_search, pending

pytestmark = pytest.mark.django_db


def page_of(client) -> str:
    return client.get(reverse("search_list")).text


def line_of(page: str, search: Search) -> str:
    rows = re.findall(r"<tr class=.*?</tr>", page, re.S)
    return next(row for row in rows if str(search.uuid) in row)


def test_a_waiting_search_says_how_many_are_trained_before_it(client, alice):
    first, second, third = (make_search(owner=alice, name=name) for name in "ABC")
    page = page_of(client)
    assert "the next in turn" in line_of(page, first)
    assert "1 before it" in line_of(page, second)
    assert "2 before it" in line_of(page, third)
    services.run_next(third, alice)
    page = page_of(client)
    assert "the next in turn" in line_of(page, third)
    assert "1 before it" in line_of(page, first)


def test_run_next_is_offered_where_another_search_is_trained_before_and_it_may_be_changed(client, alice, bob):
    leased(pending(make_search(owner=alice, name="Runs"))[0])
    mine, theirs, paused = make_search(owner=alice), make_search(owner=bob), make_search(owner=alice)
    services.pause(paused, alice)
    offered = re.findall(r'formaction="/searches/([^/]+)/run-next/"', page_of(client))
    assert offered == [str(mine.uuid)]
    assert str(theirs.uuid) not in offered


def test_what_was_deleted_has_a_section_of_its_own_with_undo_and_empty(client, alice, settings):
    settings.NASH_KEEP_DELETED_HOURS = 24
    search, other = make_search(owner=alice, name="Gone"), make_search(owner=alice, name="Stays")
    assert 'id="empty-now"' not in page_of(client)
    services.delete(search, alice)
    page = page_of(client)
    section = page.partition('id="deleted"')[2]
    assert "Gone" in section
    assert "Stays" not in section.partition("</section>")[0]
    assert f'href="{reverse("search_detail", args=[search.uuid])}"' not in page
    assert f'href="{reverse("search_detail", args=[other.uuid])}"' in page
    assert f'formaction="{reverse("search_undelete", args=[search.uuid])}"' in section
    deleted, swept = re.findall(r'<time datetime="([^"]+)"', section)
    assert deleted[:10] < swept[:10]  # a day later
    answer = client.post(reverse("search_undelete", args=[search.uuid]), {"from": "list"})
    assert answer.url == reverse("search_list")
    assert "Gone" in page_of(client).partition('id="deleted"')[0]


def test_a_list_that_is_refreshed_leaves_the_message_for_a_page_that_somebody_opens(client, alice):
    client.post(reverse("search_delete", args=[make_search(owner=alice, name="Gone").uuid]))
    assert "was deleted" not in client.get(reverse("search_list"), headers={"X-Live": "1"}).text
    assert "“Gone” was deleted" in page_of(client)
    assert "was deleted" not in page_of(client)


def test_a_list_of_which_all_was_deleted_still_offers_undo(client, alice):
    search = make_search(owner=alice, name="Gone")
    services.delete(search, alice)
    page = page_of(client)
    assert "No searches yet" in page
    assert reverse("search_undelete", args=[search.uuid]) in page


def test_empty_now_removes_rows_and_files_and_says_how_many(client, alice):
    search = make_search(owner=alice)
    folder = candidate_folder(search.candidates.get())
    folder.mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"x" * 2_500_000)
    services.note_disk_use(search.pk)
    services.delete(search, alice)
    assert "2.5\u202fMB" in page_of(client).partition('id="deleted"')[2]
    page = client.post(reverse("deleted_empty"), follow=True).text
    assert "1 deleted search is gone" in page
    assert not Search.objects.exists()
    assert not folder.exists()


def test_each_line_says_what_the_search_takes_of_the_disk(client, alice):
    search = make_search(owner=alice)
    folder = candidate_folder(search.candidates.get())
    folder.mkdir(parents=True)
    (folder / "checkpoint-1-1.pt").write_bytes(b"x" * 41_000_000)
    (folder.parent / "note").write_bytes(b"x" * 300_000)
    services.note_disk_use(search.pk)
    assert "41\u202fMB" in line_of(page_of(client), search)
    detail = client.get(reverse("search_detail", args=[search.uuid])).text
    assert '"disk_bytes":41300000' in detail
