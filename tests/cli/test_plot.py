"""`danlu plot` and `danlu.plot`: the numbers of the tutorials through the front doors, files, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import danlu as package
from danlu.workflow.plot import KINDS


def facts(ended) -> dict:
    """Return the facts of a run with --json that went well."""
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["facts"]


def test_activations_hold_the_facts_of_the_tutorials(danlu) -> None:
    ended = danlu("plot", "activations", "--json")
    found = facts(ended)
    assert found["relu"]["at_zero"] == {"value": 0.0, "derivative": 0.0}
    assert found["sigmoid"]["steepest"] == {"x": 0.0, "derivative": 0.25}
    assert found["tanh"]["steepest"] == {"x": 0.0, "derivative": 1.0}
    assert found["tanh"]["odd"]
    assert not found["sigmoid"]["odd"]
    assert found["step"]["alive"] is None
    alive = {
        name: [None if end is None else round(end) for end in found[name]["alive"]] for name in ("sigmoid", "tanh")
    }
    assert alive == {"sigmoid": [-4, 4], "tanh": [-2, 2]}
    assert round(found["softplus"]["alive"][0]) == -3
    data = json.loads(ended.out)["data"]
    assert len({len(column) for column in data.values()}) == 1
    assert (min(data["x"]), max(data["x"])) == (-8, 8)


def test_losses_hold_the_facts_of_the_tutorials(danlu) -> None:
    found = facts(danlu("plot", "losses", "cross-entropy", "mse", "--json"))
    points = {point["x"]: point for point in found["cross-entropy"]["points"]}
    assert round(points[0.88]["value"], 3) == 0.128
    assert {p["x"]: p["gradient"] for p in found["mse"]["points"]}[1.0] == 2.0


def test_softmax_holds_the_jacobian_of_the_tutorials(danlu) -> None:
    found = facts(danlu("plot", "softmax", "--json"))
    rounded = [[round(v, 4) for v in row] for row in found["jacobian"]]
    assert rounded[1:] == [[-0.0691, 0.2034, -0.1343], [-0.1150, -0.1343, 0.2493]]
    assert found["row_sums"] == pytest.approx([0, 0, 0], abs=1e-15)
    assert facts(danlu("plot", "softmax", "--json", "--", "-1", "1"))["logits"] == [-1.0, 1.0]


def test_schedules_follow_a_plan_file(danlu, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('lr = 0.5\nepochs = 4\nschedule = "step:2:0.1"\n', encoding="utf-8")
    ended = danlu("plot", "schedules", "--plan", "plan.toml", "--steps", "1", "--json")
    assert facts(ended) == {"step:2:0.1": {"first": 0.5, "highest": {"epoch": 0.0, "rate": 0.5}, "last": 0.05}}
    assert json.loads(ended.out)["data"]["rate"] == [0.5, 0.5, 0.05, 0.05]


def test_initialisations_say_why_xavier_and_he(danlu) -> None:
    found = facts(danlu("plot", "initialisations", "xavier", "kaiming", "--activation", "relu", "--json"))
    xavier, he = found["relu"]["xavier"]["gradient"], found["relu"]["kaiming"]["gradient"]
    assert xavier["first"] < xavier["last"] / 100
    assert he["first"] == pytest.approx(he["last"], rel=0.7)
    assert found["starts"]["constant:0.5"]["distinct_units"] == 1


def test_a_picture_goes_where_it_is_said_to(danlu, tmp_path: Path) -> None:
    ended = danlu("plot", "softmax")
    assert (ended.code, ended.out, ended.err) == (0, "softmax.svg\n", "")
    assert (tmp_path / "softmax.svg").read_text(encoding="utf-8").startswith("<svg")
    again = danlu("plot", "softmax")
    assert again.code == 5
    assert "--force" in again.err
    assert danlu("plot", "softmax", "--force").code == 0
    both = danlu("plot", "softmax", "-o", "s.png", "--json")
    assert json.loads(both.out)["file"] == "s.png"
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")


def test_with_json_alone_nothing_is_written(danlu, tmp_path: Path) -> None:
    ended = danlu("plot", "softmax", "--json")
    assert json.loads(ended.out)["file"] is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["actvations"], 2, "Did you mean `activations`?"),
        (["activations", "tahn"], 2, "Did you mean `tanh`?"),
        (["activations", "--lo", "3"], 2, "Did you mean `--low`?"),
        (["losses", "hubber"], 2, "huber"),
        (["schedules", "cosin"], 2, "Did you mean `cosine`?"),
        (["schedules", "--epochs", "0"], 2, "`--epochs`"),
        (["initialisations", "xaver"], 2, "Did you mean `xavier`?"),
        (["softmax", "1", "two"], 2, "got 'two'"),
        (["softmax", "1", "inf"], 2, "number 2 is inf"),
        (["softmax", "1"], 2, "got 1"),
        (["softmax", "-o", "a.jpg"], 2, "got .jpg"),
        (["curves", "none.danlu"], 6, "none.danlu"),
        (["history"], 2, "must have MODEL"),
        (["activations", "--low", "3", "--high", "2"], 2, "`--low` must be below `--high`, got 3 and 2"),
        (["schedules", "--plan", "none.toml"], 2, "there is no none.toml"),
    ],
)
def test_what_cannot_be_drawn_is_refused(danlu, words: list[str], code: int, says: str) -> None:
    ended = danlu("plot", *words)
    assert ended.code == code, ended.err
    assert says in ended.err
    assert ended.out == ""


def test_help_lists_every_kind_and_every_option(danlu) -> None:
    listed = danlu("plot", "--help").out
    for kind in KINDS:
        assert kind in listed
    assert "-8" in danlu("plot", "activations", "--help").out


def test_a_saved_model_is_drawn_from_its_own_rows_and_from_a_table(danlu, houses: Path, tmp_path: Path) -> None:
    fitted = danlu(
        "fit",
        "houses.csv",
        "--target",
        "price",
        "--epochs",
        "3",
        "--folds",
        "3",
        "--repeats",
        "1",
        "--no-page",
        "--quiet",
    )
    assert fitted.code == 0, fitted.err
    own = danlu("plot", "predictions", "houses.danlu", "-o", "own.html", "--json")
    assert json.loads(own.out)["facts"]["price"]["rows"] == 120
    fresh = tmp_path / "fresh.csv"
    fresh.write_text("area,sea,price\n50,coast,170\n60,inland,180\n", encoding="utf-8")
    told = json.loads(danlu("plot", "predictions", "houses.danlu", "fresh.csv", "--json").out)
    predicted = json.loads(danlu("predict", "houses.danlu", "fresh.csv", "--json").out)["predictions"]["prediction"]
    assert told["data"]["predicted"] == predicted
    assert told["data"]["truth"] == [170.0, 180.0]
    curves = json.loads(danlu("plot", "curves", "houses.danlu", "-o", "h.pdf", "--json").out)
    assert curves["facts"]["networks"] == 3
    assert curves["data"]["curve"].count("loss") == 9
    figure = package.plot("predictions", package.load("houses.danlu"), houses)
    assert "Beware: these are the rows learnt from" in figure.lead
    schedule = json.loads(danlu("plot", "schedules", "--plan", "houses.danlu", "--json").out)
    assert max(schedule["data"]["epoch"]) < 3


def test_three_lines_of_python(tmp_path: Path) -> None:
    figure = package.plot("activations", "relu", "tanh", path=tmp_path / "a.png")
    figure.save(tmp_path / "a.pdf")
    assert set(figure.data["activation"]) == {"relu", "tanh"}
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_python_refuses_as_the_command_line_does(tmp_path: Path) -> None:
    from danlu.core.errors import OutputError, PlanError

    with pytest.raises(PlanError, match="Did you mean `losses`"):
        package.plot("loses")
    with pytest.raises(PlanError, match="Did you mean `low`"):
        package.plot("activations", lo=3)
    (tmp_path / "a.svg").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError):
        package.plot("activations", path=tmp_path / "a.svg")
