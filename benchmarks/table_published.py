"""What others reached on the UCI sets with their standard splits: means, and standard errors over the splits.

PBP, MC-dropout and Deep Ensembles: table 1 of Lakshminarayanan, Pritzel and Blundell (2017), "Simple and scalable
predictive uncertainty estimation using deep ensembles". NGBoost: Duan et al. (2020), as quoted in "Wasserstein gradient
boosting" (2024). Their deviations over 20 splits (5 of protein) are divided by the root of that number; PBP's are
standard errors already. NLL is the mean negative log density of a test row, in units of the target.
"""

from __future__ import annotations

from math import sqrt

METHODS = ("Deep Ensembles", "MC-dropout", "NGBoost", "PBP")
MUST = ("Deep Ensembles", "MC-dropout")
"""Those that are to be equalled on every set; NGBoost on two thirds."""

_NAMES = ("boston", "concrete", "energy", "kin8nm", "naval", "power", "protein", "wine_red", "yacht")
_RMSE = {
    "Deep Ensembles": "3.28 1.00  6.03 .58  2.09 .29  .09 .00  .00 .00  4.11 .17  4.71 .06  .64 .04  1.58 .48",
    "MC-dropout": "2.97 .85  5.23 .53  1.66 .19  .10 .00  .01 .00  4.02 .18  4.36 .04  .62 .04  1.11 .38",
    "NGBoost": "2.94 .53  5.06 .61  .46 .06  .16 .00  .00 .00  3.79 .18  4.33 .03  .63 .04  .50 .20",
    "PBP": "3.01 .18  5.67 .09  1.80 .05  .10 .00  .01 .00  4.12 .03  4.73 .01  .64 .01  1.02 .05",
}
_NLL = {
    "Deep Ensembles": "2.41 .25  3.06 .18  1.38 .22  -1.20 .02  -5.63 .05  2.79 .04  2.83 .02  .94 .12  1.18 .21",
    "MC-dropout": "2.46 .25  3.04 .09  1.99 .09  -.95 .03  -3.80 .05  2.80 .05  2.89 .01  .93 .06  1.55 .12",
    "NGBoost": "2.43 .15  3.04 .17  .60 .45  -.49 .02  -5.34 .04  2.79 .11  2.81 .03  .91 .06  .20 .26",
    "PBP": "2.57 .09  3.16 .02  2.04 .02  -.90 .01  -3.73 .01  2.84 .01  2.97 .00  .97 .01  1.63 .02",
}


def published(metric: str) -> dict[str, dict[str, tuple[float, float]]]:
    """Return mean and standard error by method and set.

    >>> mean, error = published("rmse")["Deep Ensembles"]["boston"]
    >>> mean, round(error, 3)
    (3.28, 0.224)
    """
    said: dict[str, dict[str, tuple[float, float]]] = {}
    for method, text in {"rmse": _RMSE, "nll": _NLL}[metric].items():
        numbers = [float(word) for word in text.split()]
        said[method] = {}
        for name, mean, spread in zip(_NAMES, numbers[::2], numbers[1::2], strict=True):
            splits = 1 if method == "PBP" else 5 if name == "protein" else 20
            said[method][name] = mean, spread / sqrt(splits)
    return said
