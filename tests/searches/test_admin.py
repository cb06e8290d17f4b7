"""The admin shows the rows and changes none."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from tests.searches.rows import make_search, run_to_end

pytestmark = pytest.mark.django_db
MODELS = ["search", "candidate", "event", "worker", "artifact", "dataset"]


@pytest.fixture
def staff(client):
    client.force_login(get_user_model().objects.create_superuser("sam"))
    return client


@pytest.mark.parametrize("model", MODELS)
def test_each_table_is_shown_and_takes_no_new_row(staff, model):
    run_to_end(make_search())
    assert staff.get(reverse(f"admin:searches_{model}_changelist")).status_code == 200
    assert staff.get(reverse(f"admin:searches_{model}_add")).status_code == 403


@pytest.mark.parametrize("model", ["search", "candidate", "event", "dataset"])
def test_a_row_is_shown_and_cannot_be_changed_or_deleted(staff, model):
    search = run_to_end(make_search())
    pk = {"search": search.pk, "dataset": search.dataset_id}.get(model) or getattr(search, f"{model}s").first().pk
    assert staff.get(reverse(f"admin:searches_{model}_change", args=[pk])).status_code == 200
    assert staff.post(reverse(f"admin:searches_{model}_change", args=[pk]), {"name": "x"}).status_code == 403
    assert staff.post(reverse(f"admin:searches_{model}_delete", args=[pk]), {"post": "yes"}).status_code == 403
