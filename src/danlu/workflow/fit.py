"""The walk: read, divide, encode, build, train, judge, diagnose, keep. One call a stage."""

from __future__ import annotations

import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from danlu._version import __version__
from danlu.core import devices
from danlu.core.addresses import POSTGRESQL, is_address, without_passwords
from danlu.core.errors import DanluError, DataError, PlanError, nearest
from danlu.core.launch import launched
from danlu.core.paths import model_name
from danlu.core.plan import Plan, make_plan
from danlu.core.records import Note, Progress, Run, Schema, TargetSchema
from danlu.core.searched import Searched
from danlu.data import Examined, divide
from danlu.data.images import NAMED_SETS, is_images
from danlu.features import layout
from danlu.features.layout import number_names
from danlu.judging import metrics_for
from danlu.judging.metrics import curve_metric
from danlu.judging.optimism import corrected
from danlu.networks import Network
from danlu.networks.build import describe, make_network
from danlu.networks.custom import Custom, find
from danlu.population import Trained
from danlu.population.processes import agreed
from danlu.search import Facts, recipe
from danlu.search.defaults import ONEHOT_MOST, ROWS_A_LEVEL, is_plain
from danlu.workflow.baselines import fold_baselines, tested_baselines
from danlu.workflow.challenges import contest_of
from danlu.workflow.checks import check, found
from danlu.workflow.explained import explain
from danlu.workflow.gallery import images_shown
from danlu.workflow.given import NOTHING, Given, Start
from danlu.workflow.interrupt import stoppable
from danlu.workflow.judge import Judged, Tested, judge, judge_test
from danlu.workflow.learning_curve import learning_curve
from danlu.workflow.material import gather
from danlu.workflow.metrics import take_metrics, watched_by
from danlu.workflow.model import Model
from danlu.workflow.own import own_notes, take_class, take_loss, with_dropout
from danlu.workflow.own_scores import with_own
from danlu.workflow.searching import check_search
from danlu.workflow.sizes import sizes
from danlu.workflow.stages import announced, staged
from danlu.workflow.sure import Sure, how_sure
from danlu.workflow.training import Listener, Shipped, Stop, Trial


class Clock:
    """Seconds of each stage, by name."""

    def __init__(self) -> None:
        self.start = self.last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Count the time since the last lap as this stage's."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.seconds["total"] = now - self.start
        self.last = now


def fit(
    data: Any,
    target: str | int | tuple[str, ...] | list[str] | None = None,
    *,
    plan: Plan | None = None,
    name: str | None = None,
    test: Any = None,
    on_progress: Listener = None,
    stop: Stop = None,
    given: Given = NOTHING,
    **settings: Any,
) -> Model:
    """Train and judge networks on a table, and return a model that predicts.

    Arguments:
        data: a path (.csv, .tsv, .parquet, .xlsx, .jsonl, .feather, .sqlite and more), the address of a database, a
            data frame of any library, an Arrow table, a NumPy array, or a dict of columns.
        target: the column to predict, or several, in a list or with commas; a name or a number from 1.
        plan: settings as a `danlu.Plan`; keyword settings are added to it.
        name: of the model; by default that of the file.
        test: a table that is scored once, at the end; anything that `data` may be.
        on_progress: called with `Progress` records, a few times a second.
        stop: asked often; once it says True, training ends and the best so far is kept. By default Ctrl-C.
        given: what only a caller in Python can give: a division of the rows.
        settings: fields of `danlu.Plan`, e.g. `folds=10, hidden=(256, 128)`; `net` may be a class or function of your
            own, which is called with the numbers of inputs and outputs and returns a `torch.nn.Module`; `loss` may
            be a function of outputs and scaled targets `[B, C]` (or classes `[B]`) that gives a number for each row;
            `metric` (scored beside those by name) and `stop_on` may be functions of y_true and y_pred, or scorers made
            by `sklearn.metrics.make_scorer`.

    Raises:
        PlanError: settings out of range, or against each other.
        DataError: the table cannot be read or learnt from.
        TrainingError: no network survived training.

    >>> rows = {"x": [i / 10 for i in range(60)], "y": [i / 5 + 1 for i in range(60)]}
    >>> model = fit(rows, "y", epochs=3, repeats=1)
    >>> model.predict({"x": [1.0, 2.0]}).shape
    (2,)
    """
    custom, settings = take_class(settings)
    given, settings = take_metrics(*take_loss(settings, given))
    plan = _plan(plan, data, target, test, settings)
    called = model_name(data, plan.table) if isinstance(data, str | Path) else "model"
    with devices.arithmetic(plan.threads), nullcontext(stop) if stop else stoppable() as stopped, agreed():
        check_search(plan)
        custom = custom or find(plan.net)
        tested = plan.test if test is None else test
        plan = without_passwords(plan)
        return _walk(data, tested, plan, name or called, on_progress, stopped, custom, given)


def _walk(
    data: Any, test: Any, plan: Plan, name: str, on_progress: Listener, stop: Stop, custom: Custom | None, given: Given
) -> Model:
    """Go the whole way, a call a stage."""
    clock, budget = Clock(), given.budget(plan.budget)
    say = on_progress or (lambda _: None)
    say(Progress(stage="reading"))
    material = gather(data, plan, test, given)
    clock.lap("read")

    examined, schema = material.examined, material.examined.schema
    facts = _facts(examined)
    resolved = recipe(plan, facts) if given.start is None else given.start.plan(plan)
    folds = divide(examined, resolved, given.pairs)
    chosen = sizes(examined, folds, resolved.seed) if plan.learning_curve else None
    network, resolved = _built(plan, resolved, schema, custom, given.start)
    trial = announced(Trial.prepare(network, material, folds, resolved, given), material, name, say)
    clock.lap("prepare")

    contest = contest_of(plan, trial, facts, schema, goes_on=given.start is not None)
    trial, trained, setting, searched = contest.hold(trial, on_progress, stop, budget).parts
    shipped = trial.ship(trained, staged(on_progress, "refit"), stop)
    cut_short = bool(resolved.refit) and not shipped.refitted
    clock.lap("train")

    say(Progress(stage="judging"))
    judged, tested, sure, scored = _judged(trial, trained, shipped, searched)
    pictures = images_shown(trial, shipped, judged, tested) | tested.arrays(trial.test_target, judged)
    clock.lap("judge")
    explained, drawn = explain(trial, trained, shipped, judged)
    clock.lap("explain")
    growth, growth_notes = learning_curve(trial, trained, judged, chosen, on_progress, stop)
    clock.lap("learning_curve" if chosen is not None else "judge")

    own = (*own_notes(network, given, len(trained.members), trial.matrices.x_NF.device.type), *setting)
    notes = (*material.notes, *folds.notes, *own, *shipped.notes, *judged.settled.notes, *sure.notes, *growth_notes)
    run = Run(
        name=name,
        version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        source=material.source,
        plan=plan,
        resolved=trial.plan,
        table=schema,
        network=trial.network.spec,
        parameters=trial.network.count,
        rows=material.rows,
        folds=trial.folds.words,
        main_metric=metrics_for(schema.target, plan.metric)[0],
        curve_metric=curve_metric(schema.target, plan.metric),
        members=trained.members,
        shipped=() if shipped.refitted else shipped.indices,
        refitted=len(shipped.indices) if shipped.refitted else 0,
        **scored,
        learning_curve=growth,
        explained=explained,
        inferred=(*notes, *_task_note(plan, schema.target), *_refit_note(cut_short)),
        seconds=clock.seconds,
        machine=trial.machine,
        interrupted=trained.interrupted or cut_short,
    )
    tensors = shipped.tensors() | sure.tensors()
    arrays = trained.curves | judged.arrays(examined.target) | pictures | drawn
    return Model(run, tensors, arrays, custom, trial.ended(trained))


def _judged(
    trial: Trial, trained: Trained, shipped: Shipped, searched: Searched | None
) -> tuple[Judged, Tested, Sure, dict[str, Any]]:
    """Judge, and return what was predicted, how sure it is, and what of it stands in the run's record."""
    judged = judge(trial, trained, len(shipped.indices))
    tested = judge_test(trial, shipped, judged.settled)
    sure = how_sure(trial, shipped, judged, tested)
    lines, test_lines = fold_baselines(trial), tested_baselines(trial)
    checks = check(trial, trained, judged, tested.scores)
    scores, test = with_own(trial, judged, tested)
    record = {
        "scores": corrected(scores, searched) | sure.scores,
        "searched": searched,
        "test": test | sure.test,
        "watched_by": watched_by(trial.plan, trial.given),
        "calibration": judged.settled.calibration,
        "decision": judged.settled.decision,
        "baselines": lines,
        "test_baselines": test_lines,
        "checks": checks,
        "findings": found(trial, trained, checks, judged.scores or tested.scores, lines or test_lines),
    }
    return judged, tested, sure, record


def _facts(examined: Examined) -> Facts:
    """Return what the recipe looks at."""
    target, image = examined.schema.target, examined.schema.image
    numbers = sum(len(number_names(column)) for column in examined.schema.columns if not column.word)
    shape = None if image is None else image.shape
    least = max(ONEHOT_MOST + 1, len(examined.kept) / ROWS_A_LEVEL)
    sparse = tuple(column.name for column in examined.schema.columns if len(column.levels) >= least)
    return Facts(len(examined.kept), target.task, len(target.classes), numbers, sparse, shape)


def _built(
    plan: Plan, resolved: Plan, schema: Schema, custom: Custom | None, start: Start | None = None
) -> tuple[Network, Plan]:
    """Return the network that a resolved plan asks for, and the plan with the rate of dropout that it has."""
    if start is not None:
        return make_network(start.spec, custom, resolved.dtype), resolved
    most = None if is_plain(plan) else ONEHOT_MOST
    told = {"neighbours": resolved.neighbours or (), "target_encoding": resolved.target_encoding or ()}
    features = layout(schema, onehot_most=most, bins=resolved.bins or 0, **told)
    network = make_network(describe(resolved, features, schema.target, custom), custom, resolved.dtype)
    return network, with_dropout(resolved, network)


def _plan(plan: Plan | None, data: Any, target: Any, test: Any, settings: dict[str, Any]) -> Plan:
    """Return one plan of what was given in all ways.

    Raises:
        PlanError: a setting is unknown, out of range or against another, or there is no target.
    """
    given: dict[str, Any] = {} if plan is None else plan.model_dump(exclude_unset=True)
    if target is not None:
        given["target"] = (str(target),) if isinstance(target, int | str) else tuple(map(str, target))
    if isinstance(data, str | Path):
        given["data"] = str(data)
    if test is not None:
        given["test"] = str(test) if isinstance(test, str | Path) else "(given in Python)"
    plan = make_plan(**(given | settings))
    if not plan.target and not is_images(data, images=plan.images):
        raise _no_target(data)
    if not launched().alone and (other := _unshared(plan.data) or _unshared(plan.test)):
        raise PlanError("several processes must read a table from a file", f"got {other}", "Save it to a file.")
    return plan


def _unshared(source: str | None) -> str:
    """Return what a table comes from that each of several processes may see differently; nothing for a file.

    >>> _unshared("postgresql://db.example/houses"), _unshared("-"), _unshared("houses.db")
    ('a database server', 'standard input', '')
    """
    if source is not None and source.lower().startswith(POSTGRESQL):
        return "a database server"
    return "standard input" if source == "-" else ""


def _no_target(data: Any) -> DanluError:
    """Return the error that nothing says what to predict, or that there is nothing of that name."""
    if isinstance(data, str | Path) and str(data) != "-" and not is_address(data) and not Path(data).exists():
        return DataError(
            f"{data} must be a table or images", "there is no such file or folder", nearest(str(data), NAMED_SETS)
        )
    return PlanError("a fit needs a target column", "got none", "Use --target COLUMN (a name, or a number from 1).")


def _refit_note(cut_short: bool) -> tuple[Note, ...]:
    """Say that the networks of the folds are shipped, where the refit that was asked for was stopped."""
    text = "stopped before its end: the networks of the folds are kept instead"
    return (Note(topic="refit", text=text),) if cut_short else ()


def _task_note(plan: Plan, target: TargetSchema) -> tuple[Note, ...]:
    """Say which task was inferred from the target, where none was asked for."""
    if plan.task is not None:
        return ()
    into = f" into {len(target.classes)} classes" if target.classes else ""
    return (Note(topic="task", text=f"{target.task}{into}, from target {', '.join(target.names)}"),)
