"""A real notebook: a quiet line while it trains, a summary, and the page inline."""

from __future__ import annotations

from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="nbclient and ipykernel run notebooks; extra `dev` has them")
pytest.importorskip("ipykernel", reason="nbclient and ipykernel run notebooks; extra `dev` has them")

CELLS = [
    "import numpy as np\nfrom danlu import TableRegressor\nX = np.random.default_rng(0).normal(size=(150, 3))",
    "model = TableRegressor(hidden=(8,), epochs=300, cv=3, random_state=0).fit(X, X[:, 0])",
    "model",
    "model.report()",
    "model.model_",
    "from sklearn.model_selection import cross_val_score\nscores = cross_val_score(model.set_params(cv=0), X, X[:, 0])",
    "try:\n    TableRegressor(hidden=(8,), lr=-1.0).fit(X, X[:, 0])\nexcept ValueError as error:\n    print(error)",
]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """What each cell shows."""
    import nbformat

    home = tmp_path_factory.mktemp("notebook")
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(home / name))
        patch.setenv("OMP_NUM_THREADS", "1")
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
        client.execute(cwd=str(home))
    assert [path.name for path in home.iterdir() if path.suffix] == []  # fitting writes nothing
    return [cell.outputs for cell in notebook.cells]


def test_a_fit_leaves_a_summary_where_its_line_was(outputs: list[list[Any]]) -> None:
    line, repr_of_fit = outputs[1][0], outputs[1][1:]
    assert line.output_type == "display_data"
    summary = line.data["text/plain"]
    assert summary.startswith("Danlu model 'TableRegressor': regression of y, 3 columns")
    assert "3 networks (8-1, relu), 150 rows" in summary
    assert "rmse" in summary
    assert summary == outputs[4][0].data["text/plain"]
    assert not repr_of_fit  # assigned to a name, it shows nothing else: no bar, no warning
    assert not outputs[0]


def test_the_estimator_is_shown_as_scikit_learn_shows_its_own(outputs: list[list[Any]]) -> None:
    (shown,) = outputs[2]
    assert "TableRegressor" in shown.data["text/html"]
    assert "sk-estimator" in shown.data["text/html"]


def test_the_page_is_shown_inline_and_whole(outputs: list[list[Any]]) -> None:
    (shown,) = outputs[3]
    html = shown.data["text/html"]
    assert html.startswith("<iframe srcdoc=")
    assert "&lt;html" in html  # a document of its own: its styles are not those of the notebook
    assert "http://" not in html.replace("http://www.w3.org", "")  # nothing is loaded from elsewhere
    assert len(shown.data["text/plain"]) < 200


def test_many_fits_of_one_cell_leave_one_line(outputs: list[list[Any]]) -> None:
    (line,) = outputs[5]
    assert line.data["text/plain"].startswith("Danlu model")


def test_a_refusal_is_one_sentence(outputs: list[list[Any]]) -> None:
    (said,) = outputs[6]
    assert said.text.startswith("`lr` must be above 0.0, got -1.0. Use lr=")
