"""Scalars of a search: every epoch of every training, as CSV and as event files that TensorBoard reads."""

import csv
import io
import struct
import tracemalloc
import zipfile
from itertools import islice

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.urls import reverse

from searches.models import Candidate, Point
from searches.selectors.scalars import epochs_of, scalar_pages, tensorboard_pages
from searches.tfevents import crc32c, first_record, scalars_record
from tests.searches.rows import make_search, run_to, train

TIME = 1_700_000_000.25
BEGINNING = "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9"
TWO_VALUES = (
    "3d000000000000006049f1ec0900003040fc54d94110ac022a2f0a110a0a747261696e2f6c6f7373150000a03f"
    "0a1a0a1376616c69646174696f6e2f6163637572616379153333333f94a37d8d"
)
STEP_ZERO = "1b000000000000001a0d9e130900003040fc54d9412a100a0e0a077365636f6e647315cdcccc3d99f54e1c"
"""Written by tensorboard 2.21.0's RecordWriter from its own event_pb2.Event."""


# ---------------------------------------------------------------------- the format


@pytest.mark.parametrize(
    ("content", "checksum"),
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
    ],
)
def test_the_checksum_is_that_of_rfc_3720(content, checksum):
    assert crc32c(content) == checksum


def test_records_are_to_the_byte_those_of_tensorboards_own_writer():
    two = {"train/loss": 1.25, "validation/accuracy": 0.7}
    assert first_record(TIME).hex() == BEGINNING
    assert scalars_record(TIME + 0.5, 300, two).hex() == TWO_VALUES
    assert scalars_record(TIME + 0.5, 0, {"seconds": 0.1}).hex() == STEP_ZERO


def records(content: bytes) -> list[bytes]:
    """The contents of an event file's records; what is after them is an error."""
    found = []
    while content:
        (length,) = struct.unpack_from("<Q", content)
        found.append(content[12 : 12 + length])
        content = content[16 + length :]
    return found


# ---------------------------------------------------------------------- a search


def add_points(candidate: Candidate, epochs: int, *, measured: bool = True, begins: bool = False) -> None:
    """Four points an epoch, 10 optimiser steps apart; losses are optimiser steps, so that means can be told."""
    rows = [Point(candidate=candidate, optimiser_step=0, epoch=0, lr=0.05, val_accuracy=0.1)] if begins else []
    for k in range(1, 4 * epochs + 1):
        accuracy = 0.1 + k / 100 if measured and k % 4 == 0 else None
        rows.append(Point(candidate=candidate, optimiser_step=10 * k, epoch=k / 4, loss=10.0 * k, lr=0.05 / k,
                          val_accuracy=accuracy, seconds=k / 2))  # fmt: skip
    Point.objects.bulk_create(rows)


@pytest.fixture
def search(alice):
    found = make_search(owner=alice, name="Curves, of all")
    run_to(found, "1.2")
    add_points(found.candidates.get(kind="pretrain"), 1)
    add_points(found.candidates.get(step=1, index=1), 2, begins=True)
    return found


def rows_of(search):
    return list(csv.DictReader(io.StringIO("".join(scalar_pages(search)).removeprefix("\ufeff"))))


@pytest.mark.django_db
def test_every_epoch_of_what_has_begun_is_a_line(search):
    rows = rows_of(search)
    assert [(row["training"], row["epoch"], row["global_epoch"]) for row in rows] == [
        ("model_0", "1", "1"),
        ("1.1", "0", "1"),
        ("1.1", "1", "2"),
        ("1.1", "2", "3"),
    ]
    last = rows[-1]
    assert (last["kind"], last["step"], last["child"], last["optimiser_step"]) == ("neighbour", "1", "1", "80")
    assert float(last["train_loss"]) == pytest.approx((50 + 60 + 70 + 80) / 4)
    assert float(last["learning_rate"]) == pytest.approx(0.05 / 8)
    assert float(last["val_accuracy"]) == pytest.approx(0.18)
    assert float(last["seconds"]) == pytest.approx(4)
    assert rows[1]["train_loss"] == ""


@pytest.mark.django_db
def test_a_final_training_has_losses_and_no_accuracy(search):
    final = run_to(search, "final")
    train(final)
    add_points(final, 1, measured=False)
    row = rows_of(search)[-1]
    assert (row["training"], row["val_accuracy"]) == ("final", "")
    assert row["global_epoch"] == str(1 + 2 + 2 + 1)
    assert float(row["train_loss"]) == pytest.approx(25)


@pytest.mark.django_db
def test_event_files_hold_the_same_numbers_a_run_for_each_training(search):
    with zipfile.ZipFile(io.BytesIO(b"".join(tensorboard_pages(search)))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert [name.split("/")[1] for name in names] == ["model_0", "1-1"]
        first, *events = records(archive.read(names[1]))
    assert b"brain.Event:2" in first
    assert len(events) == 3
    for event, epoch in zip(events, list(epochs_of(search))[1][1], strict=True):
        assert event[9:11] == bytes([0x10, epoch.global_epoch])
        for tag, value in (("train/loss", epoch.train_loss), ("validation/accuracy", epoch.val_accuracy)):
            at = event.find(tag.encode())
            assert (at >= 0) == (value is not None)
            if value is not None:
                read = struct.unpack_from("<f", event, at + len(tag) + 1)[0]
                assert read == pytest.approx(value, rel=1e-6)


async def _read(response):
    return b"".join([piece async for piece in response.streaming_content])


@pytest.mark.django_db(transaction=True)
def test_both_are_downloaded_from_the_page_and_written_by_the_command(client, search, tmp_path):
    page = client.get(reverse("search_detail", args=[search.uuid])).content.decode()
    for form, argument in (("csv", []), ("zip", ["--tensorboard"])):
        address = reverse("search_scalars", args=[search.uuid, form])
        assert address in page
        response = client.get(address)
        assert "curves-of-all" in response["Content-Disposition"]
        content = async_to_sync(_read)(response)
        call_command("search", "scalars", str(search.uuid)[:8], str(tmp_path / form), *argument)
        assert (tmp_path / form).read_bytes() == content


@pytest.mark.django_db
def test_scalars_are_for_who_is_signed_in(client, search):
    client.logout()
    response = client.get(reverse("search_scalars", args=[search.uuid, "csv"]))
    assert response.status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(("pages", "pieces"), [(scalar_pages, 2), (tensorboard_pages, 1)])
def test_a_file_begins_after_as_many_queries_however_many_trainings_follow(
    alice, pages, pieces, django_assert_num_queries
):
    for settings in ({}, {"n_steps": 3, "n_neigh": 5}):
        search = make_search(owner=alice, **settings)
        run_to(search, "1.2")
        add_points(search.candidates.get(kind="pretrain"), 1)
        with django_assert_num_queries(2):  # the trainings, and the points of the first
            assert all(list(islice(pages(search), pieces)))


@pytest.mark.django_db
def test_memory_does_not_grow_with_the_number_of_trainings(search):
    """Forty children of 17 epochs hold not much more than one, pieces that are gone included."""
    parent = search.candidates.get(kind="pretrain")
    columns = {f.attname: getattr(parent, f.attname) for f in Candidate._meta.concrete_fields if f.name != "id"}
    children = Candidate.objects.bulk_create(
        Candidate(**{**columns, "kind": "neighbour", "step": 3, "index": k, "parent_id": parent.pk, "epochs": 17})
        for k in range(1, 41)
    )
    for child in children:
        add_points(child, 17)

    def peak_of(pages) -> tuple[int, int]:
        tracemalloc.start()
        total = sum(len(page) for page in pages)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak, total

    for pages in (scalar_pages, tensorboard_pages):
        peak, total = peak_of(pages(search))
        assert total > 25_000
        assert peak < 1_000_000
