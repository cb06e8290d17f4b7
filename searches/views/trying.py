"""Try it: one picture in, the probabilities of a model out, where the browser cannot work them out itself."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from csp.decorators import csp_update
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from searches import datasets
from searches.models import Candidate, DataSet, Ensemble
from searches.nash.imagefolder.samples import held_back, one_image
from searches.nash.streams import derive
from searches.selectors.answers import (
    MAX_PICTURE_BYTES,
    Busy,
    NoAnswer,
    Sample,
    Tried,
    answer_of,
    answer_of_ensemble,
    class_names,
    tried,
    tried_ensemble,
)
from searches.selectors.ensembles import ensembles_visible_to
from searches.views.datasets import YEAR
from searches.views.lookup import find_candidate, find_search

with_webassembly: Callable[[Any], Any] = csp_update({"script-src": ["'wasm-unsafe-eval'"]})
"""For pages with the panel "Try it" alone: ONNX Runtime Web compiles its WebAssembly."""


@require_POST
def candidate_answer(request: HttpRequest, uuid: UUID, kind: str, step: int, index: int) -> HttpResponse:
    """The body is an image file; the answer JSON with the probabilities of all classes, or a sentence in `error`."""
    candidate = find_candidate(find_search(request, uuid), kind, step, index)
    return send_answer(request, lambda picture: answer_of(candidate, picture))


def send_answer(request: HttpRequest, answered: Callable[[bytes], list[float]]) -> HttpResponse:
    """What is answered to the picture in the body of a request, refusals in words."""
    picture = request.read(MAX_PICTURE_BYTES + 1)
    if len(picture) > MAX_PICTURE_BYTES:
        words = f"The picture has more than {MAX_PICTURE_BYTES >> 20} MB; make it smaller first."
        return JsonResponse({"error": words}, status=413)
    try:
        return JsonResponse({"probabilities": answered(picture)})
    except Busy as busy:
        return JsonResponse({"error": str(busy)}, status=503)
    except NoAnswer as refusal:
        return JsonResponse({"error": str(refusal)}, status=422)


@require_POST
def ensemble_answer(request: HttpRequest, uuid: UUID) -> HttpResponse:
    """The same of an ensemble."""
    ensemble = get_object_or_404(ensembles_visible_to(request.user), uuid=uuid)
    return send_answer(request, lambda picture: answer_of_ensemble(ensemble, picture))


@require_safe
def dataset_image(request: HttpRequest, name: str, digest: str, index: int) -> HttpResponse:
    """One training image as PNG; its address has the digest, so it can be kept for ever."""
    dataset = get_object_or_404(DataSet, name=name, digest__startswith=digest)
    try:
        picture = one_image(datasets.folder_of(dataset.name), index)
    except (OSError, ValueError, IndexError) as error:
        raise Http404(f"{name} has no image {index} that can be read.") from error
    return HttpResponse(picture, "image/png", headers={"Cache-Control": f"private, max-age={YEAR}, immutable"})


def try_it(candidate: Candidate) -> Tried | None:
    """The panel of a network, with validation images of its search; `candidate.search` is read."""
    search, config = candidate.search, candidate.search.search_config
    return tried(candidate, samples_of(search.dataset, config.seed, config.n_validation))


def try_ensemble(ensemble: Ensemble) -> Tried | None:
    """The panel of an ensemble, with training images."""
    return tried_ensemble(ensemble, samples_of(ensemble.dataset))


def samples_of(dataset: DataSet, seed: int = 0, n_validation: int | None = None) -> list[Sample]:
    """Validation images of a search of this seed, of up to ten classes; none where they cannot be read."""
    try:
        chosen = held_back(datasets.folder_of(dataset.name), derive(seed, "split"), n_validation)
    except (OSError, ValueError):
        return []
    names, place = class_names(dataset), [dataset.name, dataset.digest[:16]]
    return [Sample(reverse("dataset_image", args=[*place, index]), names[label]) for index, label in chosen]
