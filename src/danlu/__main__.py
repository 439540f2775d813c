"""`python -m danlu` is `danlu`."""

from __future__ import annotations

from danlu.cli import main

if __name__ == "__main__":
    main()
