"""Ensembles: who may be a member, what waits for what, what workers measure, and what outlives its searches."""

import numpy as np
import pytest

from searches import services, worker_jobs
from searches.models import Artifact, BackgroundJob, DataSet, Ensemble, EnsembleFile, Search
from searches.selectors import artifact_path
from searches.selectors.ensembles import ensemble_folder, final_model
from searches.selectors.exports import NAMES
from searches.services import Refused
from tests.searches.rows import make_search, run_to_end
from tests.searches.trained import looks, make_trained_search, measured, work_on

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------------- across runs


def test_final_models_of_two_searches_are_averaged_and_each_test_set_is_looked_at_once_more(alice):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice)
    assert (ensemble.name, ensemble.result) == ("2 final models on digits", None)
    result = measured(ensemble).result
    outputs = [
        np.load(artifact_path(final_model(s).artifacts.get(format=Artifact.Format.TEST_SOFTMAX))) for s in searches
    ]
    from searches.worker_files import load_images

    labels = load_images(searches[0].dataset).test_labels.numpy()
    expected = int((((outputs[0] + outputs[1]) / 2).argmax(1) == labels).sum())
    assert result["n_right"] == result["order"][-1] == result["evaluation"]["n_right"] == expected
    for search, counted in zip(searches, result["members"], strict=True):
        assert counted["n_right"] / result["n_images"] == pytest.approx(final_model(search).test_accuracy)
        words = "The final training, it is averaged in the ensemble “2 final models on digits”"
        assert looks(search) == [f"Look 2 at the test set: {words}"]


def test_a_worker_that_died_over_it_leaves_one_look_and_another_measures_it(alice):
    searches = [make_trained_search(alice, seed=seed) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice)
    job = BackgroundJob.objects.get(subject=f"ensemble:{ensemble.pk}")
    first = services.claim_job(job.pk, worker="alpha")
    worker_jobs.HANDLERS[job.kind](worker_jobs.Work(job, first))  # it wrote the result, then its process died
    services.free_jobs_of("alpha")
    again = services.claim_job(job.pk, worker="beta")
    worker_jobs.do(again)
    job.refresh_from_db()
    assert (job.status, job.attempt) == ("done", 2)
    assert [len(looks(search)) for search in searches] == [1, 1]


@pytest.mark.parametrize("name", ["none", "one", "twice", "unfinished", "deleted", "shape", "classes", "images"])
def test_what_cannot_be_averaged_is_refused_in_words(alice, name):
    first = run_to_end(make_search(owner=alice, name="First"))
    other = make_search(owner=alice, name="Other", seed=5)
    searches, words = {
        "none": ([], "No search was chosen: an ensemble is of at least two"),
        "one": ([first], "“First” alone was chosen: an ensemble is of at least two"),
        "twice": ([first, first], "named twice"),
        "unfinished": ([first, other], "“Other” has no final model: it is waiting"),
        "deleted": ([first, other], "“Other” was deleted"),
        "shape": ([first, other], "different shapes: 1×8×8 (“First”) and 3×8×8 (“Other”)"),
        "classes": ([first, other], "know different classes (digits and other)"),
        "images": ([first, other], "learned from different images (digits and other)"),
    }[name]
    if name not in ("unfinished", "deleted"):
        run_to_end(other)
    if name == "deleted":
        services.delete(other, alice)
    if name in ("shape", "classes", "images"):
        columns = {"shape": {"input_channels": 3}, "classes": {"meta": {"classes": list("0123456789")}}, "images": {}}
        facts = {f: getattr(other.dataset, f) for f in ("height", "width", "n_classes", "n_train", "n_test")}
        dataset = DataSet.objects.create(
            name="other", **{"digest": "e" * 64, "input_channels": 1, **facts, **columns[name]}
        )
        Search.objects.filter(pk=other.pk).update(dataset=dataset, dataset_digest=dataset.digest)
    fresh = [Search.objects.get(pk=search.pk) for search in searches]
    with pytest.raises(Refused) as refusal:
        services.ensemble_runs(fresh, alice)
    assert words in str(refusal.value)
    assert not Ensemble.objects.exists()
    assert not BackgroundJob.objects.exists()


def test_the_same_members_are_no_second_ensemble(alice):
    searches = [run_to_end(make_search(owner=alice, seed=seed)) for seed in (1, 2)]
    services.ensemble_runs(searches, alice, "Both")
    with pytest.raises(Refused, match="“Both” is of exactly these networks already"):
        services.ensemble_runs(searches[::-1], alice)
    with pytest.raises(Refused, match="The name has 201 characters"):
        services.ensemble_runs(searches, alice, "x" * 201)


def test_searches_that_were_tested_on_a_part_of_the_images_are_averaged_on_that_part_alone(alice):
    part = [make_trained_search(alice, name=f"Part {n}", seed=1, n_test=100, n_NM=n) for n in (2, 3)]
    other = make_trained_search(alice, name="Other part", seed=2, n_test=100)
    with pytest.raises(Refused, match=r"tested on different images .* 100 of “Part 2”, 100 of “Other part”"):
        services.ensemble_runs([part[0], other], alice)
    result = measured(services.ensemble_runs(part, alice)).result
    assert (result["n_images"], result["test_part"]) == (100, [1, 100])
    assert result["members"][0]["n_right"] == round(100 * final_model(part[0]).test_accuracy)


# ---------------------------------------------------------------------- what becomes of it


@pytest.mark.slow
def test_files_answer_alike_and_outlive_the_searches(alice, data_folder):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice)
    with pytest.raises(Refused, match="not measured yet"):
        services.ask_for_ensemble_files(ensemble, alice)
    measured(ensemble)
    assert [m.file for m in ensemble.members.all()] == [
        f"ensembles/{ensemble.uuid}/member-{k}.safetensors" for k in (1, 2)
    ]
    for search in searches:
        services.delete(search, alice)
    services.empty_deleted(alice)
    assert not Search.objects.exists()
    services.ask_for_ensemble_files(ensemble, alice)
    job = work_on(f"ensemble_files:{ensemble.pk}")
    assert job.status == "done", job.reason
    parity = job.result["parity"]
    assert (parity["holds"], parity["n_images"]) == (True, ensemble.dataset.n_test)
    right = ensemble.result["n_right"] / ensemble.result["n_images"]
    assert parity["errors"]["trainer"] == pytest.approx(1 - right, abs=1e-4)
    names = {path.name for path in ensemble_folder(ensemble).glob("files-*/*")}
    assert names == {
        "model.zip", "model.safetensors", "model.py", "model.onnx", "model.pt2", "architecture.json", "model_card.md",
    }  # fmt: skip
    assert [m.candidate for m in ensemble.members.all()] == [None, None]

    from searches.datasets import in_use_words

    assert "is in use by 1 ensemble: 2 final models on digits" in in_use_words(ensemble.dataset)
    services.delete_ensemble(ensemble, alice)
    assert not EnsembleFile.objects.exists()
    assert not ensemble_folder(ensemble).exists()


def test_a_member_that_is_deleted_before_it_was_measured_is_named(alice):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice)
    services.delete(searches[1], alice)
    job = work_on(f"ensemble:{ensemble.pk}")
    assert job.status == "failed"
    assert "the search of Run 2: final was deleted before the ensemble was measured" in job.reason
    services.undelete(searches[1], alice)
    services.retry_job(job)
    measured(ensemble)


def test_only_its_owner_and_staff_delete_an_ensemble(alice, bob, staff):
    searches = [run_to_end(make_search(owner=alice, seed=seed)) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice)
    with pytest.raises(Refused, match="belongs to alice: only its owner and staff"):
        services.delete_ensemble(ensemble, bob)
    job = BackgroundJob.objects.get()
    lease = services.claim_job(job.pk, worker="alpha")
    services.delete_ensemble(ensemble, staff)
    with pytest.raises(services.LeaseLost):
        services.beat_job(lease)
    assert Search.objects.count() == 2


def test_only_its_owner_and_staff_have_an_ensemble_s_files_made_and_only_once(alice, bob):
    searches = [make_trained_search(alice, name=f"Run {seed}", seed=seed) for seed in (1, 2)]
    ensemble = measured(services.ensemble_runs(searches, alice))
    with pytest.raises(Refused, match="belongs to alice: only its owner and staff can have the test set looked at"):
        services.ask_for_ensemble_files(ensemble, bob)
    for key in NAMES:
        EnsembleFile.objects.create(ensemble=ensemble, format=key, file=f"x/{key}", sha256="", bytes=1)
    with pytest.raises(Refused, match="are there already"):
        services.ask_for_ensemble_files(ensemble, alice)
    assert not BackgroundJob.objects.filter(kind="ensemble_files").exists()


def test_a_folder_that_no_ensemble_names_is_swept(data_folder, settings):
    settings.NASH_KEEP_DELETED_HOURS = 0
    folder = data_folder / "ensembles" / "0e0ad8b4-0000-4000-8000-000000000000"
    folder.mkdir(parents=True)
    services.sweep_deleted()
    assert not folder.exists()


def test_damaged_weights_are_no_member(alice):
    searches = [make_trained_search(alice, seed=seed) for seed in (1, 2)]
    ensemble = services.ensemble_runs(searches, alice)
    artifact = final_model(searches[0]).artifacts.get(format="weights")
    artifact_path(artifact).write_bytes(b"something else")
    job = work_on(f"ensemble:{ensemble.pk}")
    assert job.status == "failed"
    assert "its sha256 is not that of the weights" in job.reason
