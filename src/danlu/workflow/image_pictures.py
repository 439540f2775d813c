"""Kinds of `danlu.plot` for models of images: galleries, the worst mistakes, first-layer weights and saliency.

They show the images that are kept with a model, or others that the user names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from danlu.core.errors import DataError, PlanError
from danlu.data.images import ImageSet
from danlu.report.figures import Figure

if TYPE_CHECKING:
    from danlu.workflow.model import Model

MOST = 12
"""Images whose saliency is drawn where none is chosen."""

Folder = Annotated[Any, "Folder of a model of images (NAME.danlu)."]
Net = Annotated[Any, "The class of your own that the model was trained with: FILE.py:CLASS."]
Data = Annotated[Any, "Images: a folder, a file, a name; those kept with the model where none is given."]


def gallery(
    model: Folder,
    data: Data = None,
    *,
    most: Annotated[int, "Images that are drawn, at random."] = 40,
    net: Net = None,
) -> Figure:
    """Draw images with their true and predicted class and its probability, or with true and predicted numbers.

    By default images of the test part, else judged ones: 40 are kept with the model. Of images without labels the
    prediction alone is drawn.
    """
    from danlu.report.pictures.images import gallery as drawn  # noqa: PLC0415
    from danlu.workflow.gallery import pictured, some  # noqa: PLC0415

    loaded = _model(model, net)
    _at_least_one(most)
    if data is None:
        arrays, where = _kept(loaded)
        places = np.flatnonzero(~np.asarray(arrays["shown_mistake_G"], bool))[:most]
        return drawn(loaded.run.table.target, arrays, places.tolist(), where, loaded.run.name)
    given = _given(loaded, data)
    chosen = some(len(given.images), most, loaded.run.resolved.seed)
    arrays = pictured(given.x_NP[chosen], _shape(loaded), chosen, given.known(loaded, chosen), None)
    return drawn(loaded.run.table.target, arrays, range(len(chosen)), given.where, loaded.run.name)


def mistakes(
    model: Folder,
    data: Annotated[Any, "Images with labels; those kept with the model where none is given."] = None,
    *,
    most: Annotated[int, "Images that are drawn."] = 24,
    net: Net = None,
) -> Figure:
    """Draw the most confident mistakes: images predicted wrong with the greatest probability, or numbers farthest off.

    By default those of the test part, else of judged images: 24 are kept with the model.
    """
    from danlu.report.pictures.images import mistakes as drawn  # noqa: PLC0415
    from danlu.workflow.gallery import pictured  # noqa: PLC0415

    loaded = _model(model, net)
    _at_least_one(most)
    target, name = loaded.run.table.target, loaded.run.name
    if data is None:
        arrays, where = _kept(loaded)
        places = np.flatnonzero(np.asarray(arrays["shown_mistake_G"], bool))[:most]
        if not len(places):
            raise DataError(
                "mistakes need images that were predicted wrong", f"all of {where} are right", "Draw the gallery."
            )
        return drawn(target, arrays, places.tolist(), where, name)
    given = _given(loaded, data)
    if given.images.labels is None:
        raise DataError("mistakes need images with labels", f"{given.where} has none", "Put them into class folders.")
    every = np.arange(len(given.images))
    known = given.known(loaded, every)
    worst = known.worst(most)
    if not len(worst):
        raise DataError(
            "mistakes need images that were predicted wrong", f"all of {given.where} are right", "Draw the gallery."
        )
    arrays = pictured(given.x_NP[worst], _shape(loaded), worst, known.take(worst), None)
    return drawn(target, arrays, range(len(worst)), given.where, name)


def weights(
    model: Folder,
    *,
    member: Annotated[int, "Which network, from 0."] = 0,
    net: Net = None,
) -> Figure:
    """Draw the weights of the first layer as pictures: of each unit those by every pixel, or a convolution's kernels.

    The 32 units with the largest weights are drawn.
    """
    from danlu.report.pictures.images import weights as drawn  # noqa: PLC0415
    from danlu.workflow.gallery import first_weights  # noqa: PLC0415

    loaded = _model(model, net)
    kept = loaded.arrays.get("first_UKHW")
    if member == 0 and kept is not None and len(kept):
        return drawn(kept, loaded.run.name)
    predictor = loaded._predictor
    count = len(predictor.weights_MP)
    if not 0 <= member < count:
        raise PlanError(f"`member` must be from 0 to {count - 1}", f"got {member}", "Use member=0.")
    found = first_weights(predictor.network, predictor.weights_MP[member])
    if not len(found):
        raise DataError(
            "first-layer weights are pictures where a layer takes pixels",
            f"the first parameters of {loaded.run.name} have another shape",
            "Use `danlu trace` to see them as numbers.",
        )
    return drawn(found, loaded.run.name)


def saliency(
    model: Folder,
    data: Data = None,
    *,
    image: Annotated[int | None, "Which image, by its number from 1; the first 12 where none is chosen."] = None,
    net: Net = None,
) -> Figure:
    """Draw which pixels move the answer most: the size of its gradient by each pixel, the mean over networks.

    The answer is the output for the class that is predicted. Numbers of images are those that `danlu plot gallery
    --json` gives.
    """
    from danlu.explanation.saliency import saliency as computed  # noqa: PLC0415  loads torch
    from danlu.report.pictures.images import saliency as drawn  # noqa: PLC0415
    from danlu.workflow.gallery import pictured  # noqa: PLC0415

    loaded = _model(model, net)
    target, name = loaded.run.table.target, loaded.run.name
    if data is None:
        arrays, where = _kept(loaded)
        places = _numbered(np.asarray(arrays["shown_rows_G"]) + 1, image, where)
        return drawn(target, arrays, places, where, name)
    import torch  # noqa: PLC0415

    from danlu.networks.export import EnsembleModule  # noqa: PLC0415

    given = _given(loaded, data)
    chosen = np.array(_numbered(np.arange(1, len(given.images) + 1), image, given.where))
    known, x_GP = given.known(loaded, chosen), given.x_NP[chosen]
    whole = loaded._predictor.to_torch()
    assert isinstance(whole, EnsembleModule)
    heat = computed(whole, _shape(loaded), torch.tensor(x_GP), known.guess_N)
    arrays = pictured(x_GP, _shape(loaded), chosen, known, heat)
    return drawn(target, arrays, range(len(chosen)), given.where, name)


def _numbered(numbers: np.ndarray, image: int | None, where: str) -> list[int]:
    """Return the places of the images that are meant.

    Raises:
        PlanError: there is none of that number.
    """
    if image is None:
        return list(range(min(MOST, len(numbers))))
    places = np.flatnonzero(numbers == image)
    if len(places):
        return [int(places[0])]
    whole = len(numbers) and np.array_equal(numbers, np.arange(1, len(numbers) + 1))
    if whole:
        fact, remedy = f"got {image} of {len(numbers):,}", "Count from 1."
    else:
        known = ", ".join(map(str, np.unique(numbers)[:8]))
        fact, remedy = f"{image} is not among those of {where} that were kept", f"Kept are {known}, ...; or name data."
    raise PlanError("`image` must be the number of an image", fact, remedy)


def _model(model: Any, net: Any) -> Model:
    """Return a model of images.

    Raises:
        PlanError: it is one of a table.
    """
    from danlu.workflow.model import Model, load  # noqa: PLC0415  loads torch

    loaded = model if isinstance(model, Model) else load(model, net=net)
    if loaded.run.table.image is None:
        raise PlanError(
            "pictures of images need a model of images",
            f"{loaded.run.name} learnt from a table",
            "Use `danlu plot predictions` or `danlu plot confusion`.",
        )
    return loaded


def _shape(model: Model) -> tuple[int, int, int]:
    assert model.run.table.image is not None
    return model.run.table.image.shape


def _at_least_one(most: int) -> None:
    if most < 1:
        raise PlanError("`most` must be at least 1", f"got {most}", "Use most=24.")


def _kept(model: Model) -> tuple[dict[str, np.ndarray], str]:
    """Return the images that are kept with a model, and where they are from.

    Raises:
        DataError: there are none.
    """
    from danlu.report.cards import drawn_from  # noqa: PLC0415

    arrays = dict(model.arrays)
    if not len(arrays.get("shown_GKHW", ())):
        fact = "all images were learnt from, so none were kept with this model"
        raise DataError("pictures of images need some that were not learnt from", fact, "Name images as well.")
    return arrays, drawn_from(model.run)


@dataclass(frozen=True)
class _Given:
    """Images that the user named: their pixels as encoded, and where they are from."""

    images: ImageSet
    x_NP: np.ndarray
    where: str

    def known(self, model: Model, chosen: np.ndarray) -> Any:
        """Return truth where it is known, predictions and classes of some of them."""
        from danlu.features import Encoded  # noqa: PLC0415
        from danlu.workflow.gallery import Known, guesses  # noqa: PLC0415

        predictor, target = model._predictor, model.run.table.target
        codes = np.zeros((len(chosen), 0), np.int32)
        predicted_GC = predictor.values(Encoded(self.x_NP[chosen], codes))
        if self.images.labels is None:
            truth = np.full((len(chosen), 1 if target.classes else len(target.names)), np.nan)
        else:
            known = predictor.truth(self.images).target
            assert known is not None
            truth = known.values[chosen]
        return Known(truth, predicted_GC, guesses(predicted_GC, target.task, predictor.decision))


def _given(model: Model, data: Any) -> _Given:
    """Read images that the user named."""
    raw = model.read(data)
    assert isinstance(raw, ImageSet)
    own = raw.source == model.run.source
    where = f"{raw.source}, which the networks learnt from" if own else raw.source
    if not len(raw):
        raise DataError("a picture needs images", f"{raw.source} has none", "Name others.")
    encoded, _ = model._predictor.encode(raw)
    return _Given(raw, encoded.x, where)
