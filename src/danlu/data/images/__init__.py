"""Images: from files, arrays and sets with a name to pixels `[N, K, H, W]` and what is to be predicted of them."""

from danlu.data.images.learn import conform_labelled, examine_images, image_notes
from danlu.data.images.named import SETS
from danlu.data.images.reading import ImageOptions, conform_images, is_images, read_images
from danlu.data.images.sets import ImageSet, Progress, to_be_judged

NAMED_SETS = tuple(SETS)
"""Sets that are learnt from by their name."""

__all__ = [
    "NAMED_SETS",
    "ImageOptions",
    "ImageSet",
    "Progress",
    "conform_images",
    "conform_labelled",
    "examine_images",
    "image_notes",
    "is_images",
    "read_images",
    "to_be_judged",
]
