"""The engine: members, batches, losses, optimizers, schedules, stopping, and the loop that trains them all at once."""

from danlu.population.batches import Matrices, Rows, Shelf
from danlu.population.curves import judged_epochs
from danlu.population.members import Begun, Members
from danlu.population.precision import choose_precision
from danlu.population.shapes import Job, Shelves, train_together
from danlu.population.spread import train_spread
from danlu.population.train import Trained, train

__all__ = [
    "Begun",
    "Job",
    "Matrices",
    "Members",
    "Rows",
    "Shelf",
    "Shelves",
    "Trained",
    "choose_precision",
    "judged_epochs",
    "train",
    "train_spread",
    "train_together",
]
