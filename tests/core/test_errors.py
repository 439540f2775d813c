"""The error tree: messages say rule, fact and remedy; each class has an exit code of its own."""

from __future__ import annotations

from danlu.core import errors


def test_exit_codes_are_distinct_and_as_drawn() -> None:
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.DanluError)]
    codes = {c.__name__: (c.exit_code, c.http_status) for c in classes}
    assert len({code for code, _ in codes.values()}) == len(codes)
    for name, (code, status) in codes.items():
        line = next(line for line in (errors.__doc__ or "").splitlines() if name in line.split())
        assert line.split()[-len(line.split(name)[1].split()) :][:2] == [str(code), str(status)]


def test_nearest_name_ignores_case() -> None:
    assert errors.nearest("PRICE", ["price", "area"]) == "Did you mean `price`?"
