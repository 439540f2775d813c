"""Numbers in findings: four digits, and those before the point whole."""

from __future__ import annotations


def shown(value: float) -> str:
    """Write a metric.

    >>> shown(65975.04), shown(0.0361375), shown(1.0)
    ('65,975', '0.03614', '1')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"
