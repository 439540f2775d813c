"""Functions that optimizers are tried on, by name: formula, usual box, and the minima that are known."""

from __future__ import annotations

from dataclasses import dataclass

from danlu.core.errors import PlanError, nearest


@dataclass(frozen=True)
class Known:
    """A function by name.

    Attributes:
        text: an expression; of a list where it has any number of variables.
        box: the usual lowest and highest value of every variable.
        source: where it comes from.
    """

    name: str
    text: str
    box: tuple[float, float]
    places: tuple[tuple[float, ...], ...] | float
    """The minima; one number: that one in every variable."""
    source: str

    def minima(self, size: int) -> tuple[tuple[float, ...], ...]:
        """Return the known minima of so many variables.

        >>> known("rosenbrock").minima(3)
        ((1.0, 1.0, 1.0),)
        """
        return self.places if isinstance(self.places, tuple) else ((self.places,) * size,)


_HIMMELBLAU = ((3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126))

KNOWN = {
    known.name: known
    for known in (
        Known(
            "himmelblau",
            "(x**2 + y - 11)**2 + (x + y**2 - 7)**2",
            (-6, 6),
            _HIMMELBLAU,
            "Himmelblau 1972: four minima of value 0",
        ),
        Known(
            "rosenbrock",
            "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
            (-2, 2),
            1.0,
            "Rosenbrock 1960: a bent valley, steep across and nearly flat along",
        ),
        Known(
            "beale",
            "(1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2",
            (-4.5, 4.5),
            ((3.0, 0.5),),
            "Beale 1958: one minimum of value 0, plateaus and steep corners",
        ),
        Known(
            "rastrigin",
            "sum(x**2 - 10*cos(2*pi*x) + 10)",
            (-5.12, 5.12),
            0.0,
            "Rastrigin 1974: a minimum beside every point of whole numbers, the lowest at 0",
        ),
        Known(
            "ackley",
            "-20*exp(-0.2*sqrt(mean(x**2))) - exp(mean(cos(2*pi*x))) + 20 + e",
            (-32.768, 32.768),
            0.0,
            "Ackley 1987: many shallow minima around a steep one at 0, where it has a kink",
        ),
        Known(
            "quadratic",
            "x**2 + 10*y**2",
            (-5, 5),
            0.0,
            "a bowl ten times as steep in y as in x: the larger curvature limits the learning rate",
        ),
        Known(
            "saddle",
            "x**2 - y**2",
            (-2, 2),
            (),
            "no minimum: flat at 0, where it rises along x and falls along y",
        ),
    )
}


def known(name: str) -> Known:
    """Return a function by its name.

    Raises:
        PlanError: there is none of that name.

    >>> known("himmelblau").box
    (-6, 6)
    """
    if name not in KNOWN:
        raise PlanError("the function must be an expression or a known name", f"got {name!r}", nearest(name, KNOWN))
    return KNOWN[name]
