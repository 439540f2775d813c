"""A search: many settings side by side on the folds of the first repeat, and the best of them in the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from danlu.core.plan import Plan
from danlu.core.records import Note, Progress
from danlu.core.searched import Rung, RungScore, Searched
from danlu.judging import GREATER_IS_BETTER, metrics_for
from danlu.judging.metrics import curve_metric
from danlu.judging.optimism import optimism
from danlu.population import Shelves, Trained
from danlu.population.dealt import first_says
from danlu.search import Facts
from danlu.search.halving import AUTO, LEAST, Step, batches, default_space, likely, rungs, settings_for, trainings
from danlu.search.learnt import importance, outcome
from danlu.search.propose import propose
from danlu.search.space import Space
from danlu.search.study import PLACES, Known, Study, as_setting, digest
from danlu.workflow.budget import ENDLESS, Budget
from danlu.workflow.fresh import Fresh
from danlu.workflow.partly import Partly
from danlu.workflow.racing import work_of
from danlu.workflow.rungs import STUDIED, Candidate, Course, How, error_of, train_folds, trial_of
from danlu.workflow.several import WORTH, Several, blend
from danlu.workflow.stages import staged
from danlu.workflow.studying import opened
from danlu.workflow.training import Listener, Stop, Trial

SPENT = 0.75
"""Share of the time left that a search may take where there is a budget."""


@dataclass(frozen=True)
class Search:
    """A search that was asked for.

    Arguments:
        plan: as asked: how many settings are tried, of which space, and the file of the study.
        facts: of the table.
        about: what tells its data and its plan from others.
        most: settings that are tried at most, where nobody has asked for a search.
    """

    plan: Plan
    facts: Facts
    about: dict[str, str]
    most: int | None = None

    def space(self, resolved: Plan) -> Space:
        """Return what varies, around a setting."""
        own = self.plan.space
        return default_space(self.plan, resolved, self.facts) if own is None else Space.read(own)

    def hold(
        self,
        trial: Trial,
        trained: Trained,
        pace: float,
        on_progress: Listener,
        stop: Stop,
        budget: Budget = ENDLESS,
        fresh: Fresh | None = None,
    ) -> tuple[Several, Searched | None, tuple[Note, ...]]:
        """Search around a trial that was trained, on its folds; return what is kept, and what was learnt.

        Where the user stops, or no time is left, the best of what is complete is kept.

        Arguments:
            trial: of the first repeat.
            trained: its members.
            pace: seconds that a unit of its work took.
            on_progress: told of the rungs.
            stop: ends the search.
            budget: of the whole fit.
            fresh: what is chosen must be better than the trial on another repeat, too, that it was not chosen on.
        """
        own = Several(trial, trained)
        space, clock = self.space(trial.plan), time.perf_counter()
        settings, notes = self._settings(trial, space, pace, budget)
        if not settings or not space.names:
            return own, None, notes
        steps = rungs(settings, len(trial.folds.train), self.facts.rows)
        if on_progress:
            on_progress(Progress(stage="search", told=(_told(settings, len(trial.folds.train), steps), *space.words())))
        climb = Climb(self, space, trial, trained, on_progress, stop)
        climb.go(steps)
        if not climb.steps:
            return own, None, (*notes, Note(topic="search", text="ended before any setting was judged"))
        kept, chosen = climb.best(own)
        doubt = fresh.doubt(trial, kept.trial, climb.metric) if fresh is not None and chosen != (0,) else ""
        kept, chosen = (own, (0,)) if doubt else (kept, chosen)
        searched = climb.record(chosen, time.perf_counter() - clock, doubt)
        return kept, searched, (*notes, Note(topic="search", text=searched.words))

    def _settings(self, trial: Trial, space: Space, pace: float, budget: Budget) -> tuple[int, tuple[Note, ...]]:
        """Return how many settings are tried: those asked for, or those that there is time for."""
        asked = self.plan.search if isinstance(self.plan.search, int) else None
        if budget is ENDLESS:
            return asked or AUTO, ()
        # What hangs on the clock is for one of several processes to say.
        pace, left = first_says([pace, budget.left])
        whole = pace * work_of(trial) * likely(space, trial.plan)
        shape = len(trial.folds.train), self.facts.rows
        count = settings_for(SPENT * left / max(whole, 1e-9), *shape)
        if self.most is not None:
            return min(count, self.most), ()
        if count and (asked is None or count >= asked):
            return asked or count, ()
        least = asked or LEAST
        lasts = f"{least} settings would take about {trainings(least, *shape) * whole:.3g} s"
        text = f"a search of {count} settings, {lasts}" if count else f"no time for a search: {lasts}"
        return count, (Note(topic="budget", text=text),)


class Climb:
    """A search on its way: candidates, rung after rung.

    Arguments:
        search: what was asked.
        space: what varies.
        trial: that it begins with.
        trained: its members.
        on_progress: told of the rungs.
        stop: ends it.
    """

    def __init__(
        self, search: Search, space: Space, trial: Trial, trained: Trained, on_progress: Listener, stop: Stop
    ) -> None:
        self.search, self.space, self.trial, self.on_progress, self.stop = search, space, trial, on_progress, stop
        target = trial.examined.target.schema
        named = trial.plan.metric is not None or target.task == "regression"
        self.metric = metrics_for(target, trial.plan.metric)[0] if named else "log-loss"
        self.curves = curve_metric(target, trial.plan.metric)
        self.shelves: Shelves = Shelves(trial.matrices, trial.preparation)
        self.study = self._opened()
        own = {name: getattr(trial.plan, name) for name in space.names}
        start = Course.begin(trial)
        start.take((0, len(trial.folds.train)), trained)
        self.start = Candidate(0, "start", own, space.place(own), start)
        self.rows = np.flatnonzero(np.isfinite(start.predicted_NC).all(axis=1))
        self.tried: list[Candidate] = [self.start]
        self.partly: Partly | None = None
        """The ground of a first rung on a part of the rows, as long as it lasts."""
        self.steps: list[Rung] = []
        self.known = 0

    def _opened(self) -> Study:
        """Return the study of this search."""
        search, trial, lines = self.search, self.trial, "\n".join(self.space.words())
        resolved = trial.plan.model_dump_json(exclude={"judge_every", *PLACES})
        base = digest(*search.about.values(), resolved, trial.network.spec.model_dump_json(), self.metric)
        file = Path(search.plan.study) if search.plan.study else None
        about = {"plan": search.about["plan"], "space": lines}
        greater = GREATER_IS_BETTER[self.metric]
        key = digest(base, lines, str(search.plan.search))
        return opened(file, base, key, search.about["data"], about, self.metric, greater=greater)

    def go(self, steps: Sequence[Step]) -> None:
        """Climb as far as the user and the time allow."""
        first, *others = steps
        if first.share < 1:
            self.partly = Partly(self.trial, first.share, self.study, self.rows)
        done, self.partly = self._first(first), None
        if not done:
            return
        for place, step in enumerate(others, 2):
            ranked = sorted((c for c in self.tried if np.isfinite(c.error)), key=lambda c: c.error)
            going = [c for c in ranked if c.number][: step.settings]
            if not self._rung([self.start, *going], step, f"search, rung {place} of {len(steps)}"):
                return

    def best(self, own: Several) -> tuple[Several, tuple[int, ...]]:
        """Return what is kept: the best setting, or several of its shape where these are better together.

        The setting that the search began with stays where the best one's gain is less than 0.1%, or than what choosing
        flatters by.
        """
        whole, flattered, start = self._whole(), self.optimism[self.metric], self._error(self.start)
        if self._error(whole[0]) >= min(WORTH * start, start - flattered):
            whole = [self.start, *(c for c in whole if c is not self.start)]
        alike = [c for c in whole if self._alike(c, whole[0])]
        chosen = blend(
            [c.course.predicted_NC[self.rows] for c in alike],
            lambda said_NC, rows: error_of(self.trial, self.rows[rows], said_NC, self.metric),
            self._fold_of_rows(),
        )
        kept = [alike[i] for i in chosen]
        if not all(self._trained(c) for c in kept):
            return own, (0,)
        return Several.of([(c.course.trial, c.course.whole()) for c in kept]), tuple(c.number for c in kept)

    def record(self, chosen: tuple[int, ...], seconds: float, doubt: str = "") -> Searched:
        """Return what was tried and learnt; the first setting may have stayed because of a `doubt`."""
        # The first setting is no choice among others: nothing flatters it.
        found = dict.fromkeys(self.optimism, 0.0) if chosen == (0,) else self.optimism
        first = [c for c in self.tried if c.scores]
        errors = [c.scores[0].value for c in first]
        start, best = (self._value(self._error(c)) for c in (self.start, self._whole()[0]))
        searched = Searched(
            metric=self.metric,
            greater=GREATER_IS_BETTER[self.metric],
            space={name: p.words() for name, p in self.space.parameters.items()},
            attempts=tuple(c.record() for c in first),
            rungs=tuple(self.steps),
            chosen=chosen,
            start=start,
            best=best,
            optimism=found,
            importance=importance(np.array([c.place_D for c in first]), errors, self.space.names),
            seconds=seconds,
            known=self.known,
            words=outcome(len(self.tried), self.metric, start, best, chosen, found[self.metric], doubt),
        )
        self.study.found(searched.model_dump_json())
        return searched

    def _whole(self) -> list[Candidate]:
        """Return the settings that were trained on all folds, the best one first."""
        done = [c for c in self.tried if c.course.folds == len(self.trial.folds.train) and not c.course.broken]
        return sorted(done, key=self._error)

    def _error(self, candidate: Candidate) -> float:
        return candidate.course.error(self.metric, self.rows)

    def _first(self, step: Step) -> bool:
        """Train the first rung: settings of earlier searches, others spread evenly, and then what a model proposes."""
        space, seed = self.space, self.trial.plan.seed
        written = first_says([dict(each) for each in self.study.earlier(step.settings // 4)])
        earlier = [s for s in map(as_setting, written) if set(s) <= set(space.names)]
        parts = batches(step.settings - 1)
        for place, count in enumerate(parts, 1):
            told = earlier[:count] if place == 1 else []
            seen = [(c.place_D, c.error) for c in self.tried if c.scores]
            said = first_says([u.tolist() for u in propose(space, seen, count - len(told), seed)])
            drawn = [np.array(u) for u in said]
            how: How = "model" if seen else "spread"
            new: list[tuple[How, dict[str, Any], np.ndarray]]
            new = [(how, space.at(u.tolist()), u) for u in drawn] + [("earlier", s, space.place(s)) for s in told]
            going = [
                Candidate(number, how, setting, place_D, Course.begin(self._trial(setting)))
                for number, (how, setting, place_D) in enumerate(new, len(self.tried))
            ]
            if not self._rung(
                [*([self.start] if place == 1 else []), *going],
                step,
                f"search, part {place} of {len(parts)} of rung 1",
            ):
                return False
        return True

    def _rung(self, going: Sequence[Candidate], step: Step, stage: str) -> bool:
        """Train some settings up to so many folds; False where that was stopped: nothing of it is taken then."""
        clock, told = time.perf_counter(), staged(self.on_progress, stage)
        trained = self._on_part(going, told) if self.partly else self._on_folds(going, step.folds, told)
        if trained is None:
            return False
        new, networks = trained
        seconds, keep = time.perf_counter() - clock, self.partly.keep if self.partly else self._study
        for candidate in going:
            value = self._value(candidate.error)
            candidate.scores.append(RungScore(folds=step.folds, value=value, share=step.share))
        for candidate in new:
            keep(candidate, seconds / len(new))
        self.tried += [c for c in going if c not in self.tried]
        self.known += sum(c not in new for c in going if self.partly or c is not self.start)
        same = self.steps and (self.steps[-1].folds, self.steps[-1].share) == (step.folds, step.share)
        last = self.steps.pop() if same else None
        before = (0, 0, 0.0) if last is None else (last.settings, last.networks, last.seconds)
        counts = (before[0] + len(going), before[1] + networks, before[2] + seconds)
        told_of = {"settings": counts[0], "networks": counts[1], "seconds": counts[2]}
        self.steps.append(Rung(folds=step.folds, share=step.share, **told_of))
        return True

    def _on_part(self, going: Sequence[Candidate], told: Listener) -> tuple[list[Candidate], int] | None:
        """Train settings on the part of the rows; return which were not known, and how many networks that took."""
        assert self.partly is not None
        new = self.partly.train(going, self._trial, (self.metric, self.curves), told, self.stop)
        return None if new is None else (new, len(new))

    def _on_folds(self, going: Sequence[Candidate], folds: int, told: Listener) -> tuple[list[Candidate], int] | None:
        """Train settings on the folds that they have not yet; return which were not known, and how many networks that
        took."""
        own, networks = [c for c in going if c is not self.start], 0
        known = {c.number: error for c in own if (error := self._known(c, folds)) is not None}
        new = [c for c in own if c.number not in known]
        for part in sorted({(c.course.folds, folds) for c in new}):
            courses = [c.course for c in new if (c.course.folds, folds) == part]
            if not train_folds(courses, part, self.shelves, self.curves, told, self.stop):
                return None
            networks += len(courses) * (part[1] - part[0])
        rows = self._rows_of(folds)
        for candidate in going:
            candidate.error = known.get(candidate.number, candidate.course.error(self.metric, rows))
        return new, networks

    def _rows_of(self, folds: int) -> np.ndarray:
        """Return the rows that the first so many folds judge, of those that the start judged."""
        return self.rows[self._fold_of_rows() < folds]

    def _study(self, candidate: Candidate, seconds: float) -> None:
        """Write what a setting gave on the folds that it has into the study."""
        said_NC = candidate.course.predicted_NC
        known = Known(candidate.error, seconds, said_NC if said_NC.nbytes <= STUDIED else None)
        course = candidate.course
        self.study.add(candidate.setting, course.folds, known, candidate.how, course.trial.plan.epochs or 1)

    def _known(self, candidate: Candidate, folds: int) -> float | None:
        """Return the error of a setting where the study has it, and take its predictions; None where it must be
        trained."""
        known, course = self.study.find(candidate.setting, folds), candidate.course
        whole = folds == len(self.trial.folds.train)
        if known is None or (whole and known.predicted_NC is None and np.isfinite(known.error)):
            # What only the study knows of fewer folds has no predictions: all folds are trained.
            if not self._judged(course):
                course.parts.clear()
            return None
        course.parts[course.folds, folds] = None
        course.broken = not np.isfinite(known.error)
        if known.predicted_NC is not None:
            course.predicted_NC = known.predicted_NC
        return known.error

    def _judged(self, course: Course) -> bool:
        """Return whether there are predictions of all folds that are done."""
        return bool(np.isfinite(course.predicted_NC[self._rows_of(course.folds)]).all())

    def _trained(self, candidate: Candidate) -> bool:
        """Train again, to the same bits, the folds that only the study knows of; False where that was stopped."""
        told = staged(self.on_progress, "search, best again")
        missing = [part for part, trained in candidate.course.parts.items() if trained is None]
        return (
            all(train_folds([candidate.course], part, self.shelves, self.curves, told, self.stop) for part in missing)
            and not candidate.course.broken
        )

    def _alike(self, candidate: Candidate, best: Candidate) -> bool:
        """Return whether networks of two settings have one architecture: a model holds those of one."""
        specs = [each.course.trial.network.spec for each in (candidate, best)]
        plain = [spec.model_copy(update={"dropout": 0.0, "init": "default", "init_bias": "default"}) for spec in specs]
        return plain[0] == plain[1]

    def _trial(self, setting: dict[str, Any], base: Trial | None = None) -> Trial:
        """Return the trial of a setting, by default on all rows; it is judged about ten times, for the curves."""
        trial = trial_of(base or self.trial, setting, free=self.search.plan.precision is None)
        every = trial.plan.judge_every or max(1, (self.trial.plan.epochs or 1) // 10)
        return replace(trial, plan=trial.plan.model_copy(update={"judge_every": every}))

    def _fold_of_rows(self) -> np.ndarray:
        """Return the fold that each judged row is in."""
        fold_N = np.zeros(len(self.trial.examined.target.values), np.int64)
        for fold, rows in enumerate(self.trial.folds.judged):
            fold_N[rows] = fold
        return fold_N[self.rows]

    def _value(self, error: float) -> float | None:
        """Return an error as the metric that it is of."""
        if not np.isfinite(error):
            return None
        return 1 - error if GREATER_IS_BETTER[self.metric] else float(error)

    @cached_property
    def optimism(self) -> dict[str, float]:
        """How much the choice flatters each metric: that among settings trained on all folds, or that by a part of the
        rows, which chose these and saw the same judged rows; whichever flatters more."""
        found = self._flattered([c.course.predicted_NC[self.rows] for c in self._whole()])
        before = self._flattered([c.part_NC for c in self.tried if c.part_NC is not None])
        return {name: max(value, before[name]) for name, value in found.items()}

    def _flattered(self, predicted_SNC: Sequence[np.ndarray]) -> dict[str, float]:
        """Return how much the choice among predictions of the judged rows flatters each metric."""
        target, rows = self.trial.examined.target, self.rows
        weight = self.trial.examined.special.get("weight")
        return optimism(
            target.values[rows],
            predicted_SNC,
            metrics_for(target.schema, self.trial.plan.metric),
            target.schema,
            None if weight is None else weight[rows],
            chooses=self.metric,
            seed=self.trial.plan.seed,
        )


def _told(settings: int, folds: int, steps: Sequence[Step]) -> str:
    """Say how many settings are tried, and on what."""
    first = f" (first {steps[0].share:.0%} of its rows)" if steps[0].share < 1 else ""
    return f"searching {settings} settings, {folds} fold{'s' * (folds > 1)}{first}, over"
