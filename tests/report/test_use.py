from __future__ import annotations

import ast
import shlex

from danlu.report import use


def test_python_lines_are_python_for_any_name(examples):
    for name in ("regression", "hostile"):
        run, _ = examples.ALL[name]()
        tree = ast.parse(use.python(run))
        found = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
        assert {column.name for column in run.table.columns[: use.MOST_CELLS]} <= set(found)
        assert use.folder(run) in found


def test_command_lines_take_any_name_as_one_word(examples):
    run, _ = examples.regression()
    for name in ("house", "-rf", "a b; rm", "</script>$(x)"):
        first = use.commands(run.model_copy(update={"name": name})).splitlines()[0]
        assert shlex.split(first)[2].removeprefix("./") == f"{name}.danlu"
        assert not shlex.split(first)[2].startswith("-")
