"""What model_card.md says: where a network comes from, how good and how large it is, by what it was made."""

import pytest

from searches import services
from searches.comparisons import interval
from searches.models import ENGINE_VERSION, Search
from searches.nash.architecture import Architecture
from searches.nash.model_card import model_card
from searches.selectors.models import card_info
from tests.searches.rows import make_search, run_to, run_to_end

pytestmark = pytest.mark.django_db


def section(card: str, title: str) -> str:
    return card.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_a_model_card_names_everything_that_it_is_to_name(alice):
    search = run_to_end(make_search(owner=alice, name="First light", seed=7))
    final, dataset = search.candidates.get(kind="final"), search.dataset
    architecture = Architecture.from_dict(final.architecture)
    card = model_card(architecture, card_info(final, {"python": "3.11.7", "torch": "2.9.1"}))
    assert card.startswith("# First light\n")

    data = section(card, "Data")
    assert f"Data set: {dataset.name}, 8 x 8 px" in data
    assert f"Digest of the data set: {search.dataset_digest}" in data
    n_validation = search.search_config.n_validation or dataset.n_train // 5
    assert f"Split with seed 7: {n_validation:,} of {dataset.n_train:,} training images for validation" in data
    assert f"{search.n_test:,} of {dataset.n_test:,} for the test" in data

    low, high = interval(final.test_accuracy, search.n_test)
    measured = f"Test accuracy {100 * final.test_accuracy:.2f} %, 95 % interval {100 * low:.2f} to {100 * high:.2f} %"
    assert f"{measured} ({search.n_test:,} images)" in section(card, "Accuracy")

    size = section(card, "Size")
    assert f"{architecture.n_parameters:,} parameters" in size
    assert f"{architecture.n_macs:,} multiply-accumulates an image" in size
    assert architecture.digest in size

    lineage, link = section(card, "Lineage"), final
    while link is not None:  # to model_0
        assert f"1. {link.code}" in lineage
        assert all(morphism.words() in lineage for morphism in link.morphism_list())
        link = link.parent

    settings = section(card, "Settings")
    assert "| seed | 7 |" in settings
    assert all(f"| {name} |" in settings for name in ("n_steps", "n_neigh", "epoch_neigh", "lambda_start"))

    versions = section(card, "Versions")
    assert f"| engine | {search.engine_version} |" in versions
    assert "| python | 3.11.7 |" in versions
    assert "| torch | 2.9.1 |" in versions


def test_the_card_of_a_search_that_went_on_says_from_where_on_it_was_made_with_which_version(alice):
    search = make_search(owner=alice)
    run_to(search, "2.1")
    Search.objects.filter(pk=search.pk).update(engine_version=ENGINE_VERSION - 1)
    services.go_on(search, alice)
    run_to_end(search)
    final = search.candidates.get(kind="final")
    info = card_info(final, {"torch": "2.9.1"})
    engine = f"{ENGINE_VERSION - 1}, from step 2 on {ENGINE_VERSION}"
    assert info["engine"] == engine  # as the zip's architecture.json has it
    card = model_card(Architecture.from_dict(final.architecture), info)
    assert f"| engine | {engine} |" in section(card, "Versions")
