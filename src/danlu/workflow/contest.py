"""Settings that compete on the same folds: the best one out of fold is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from danlu.core.progress import Progress
from danlu.core.records import Note
from danlu.core.searched import Searched
from danlu.data import Folds
from danlu.data.words import counted
from danlu.judging import GREATER_IS_BETTER, metric, metrics_for
from danlu.population import Trained
from danlu.population.dealt import first_says
from danlu.workflow.budget import ENDLESS, Budget
from danlu.workflow.fresh import Fresh
from danlu.workflow.judge import unseen_predictions
from danlu.workflow.racing import Rival, Told, race, whole, work_of
from danlu.workflow.several import Several
from danlu.workflow.stages import staged
from danlu.workflow.training import Listener, Stop, Trial
from danlu.workflow.tuning import Search

PROBED = 0.15
"""Share of the time left after which a first training that would not end in time is begun anew, with fewer epochs."""
FITTED = 0.7
"""Share of the time left that it is then given."""
RESERVED = 1.5
"""Times as long as the recipe's own may the repeats take of what a search finds: that much is kept for them."""
WORSE = 1.05
"""Times as large may the error of repeats be that learn otherwise: the mean of both is then better than either."""


@dataclass(frozen=True)
class Held:
    """What a contest gives: the trial that won, its members, what is to be said, and what a search learnt."""

    trial: Trial
    trained: Trained
    notes: tuple[Note, ...] = ()
    searched: Searched | None = None

    @property
    def parts(self) -> tuple[Trial, Trained, tuple[Note, ...], Searched | None]:
        """All of it."""
        return self.trial, self.trained, self.notes, self.searched


Challenge = Callable[[Trial, Trained, float], Rival | None]
"""From the best trial so far, what it trained, and how much there is time to train, to one that may be better, if there
is one."""


@dataclass(frozen=True)
class Contest:
    """What a fit trains: challenges to the first setting, and then repeats of the best one.

    Arguments:
        challenges: in the order in which they are tried, on the first repeat.
        divide: into folds, of so many repeats; the first is always the same.
        repeats: that are wanted in the end.
        least: repeats that come before any challenge, where there is a budget.
        other: a setting for every other repeat: the mean of both is better than either, where they are about as good.
            Asked with `True` it gives the trial whose repeats all have it, for where it is clearly better.
        search: around the best of these, where one is asked for.
    """

    challenges: Sequence[Challenge]
    divide: Callable[[int], Folds]
    repeats: int
    other: Callable[[Trial, bool], Trial | None] | None = None
    search: Search | None = None
    least: int = 1

    def hold(self, trial: Trial, on_progress: Listener, stop: Stop, budget: Budget = ENDLESS) -> Held:
        """Train the trial's members and those of each rival, and return the best ones and what is to be said of it.

        Rivals share folds and order of rows, so that what they differ in is the setting alone. They are compared on the
        first repeat, and the best setting is then trained on the others. Where the user stops, what was complete is
        kept. A rival is begun only where the budget is thought to suffice, by how long the first training took.
        """
        alone = not self.challenges and not self.other and self.search is None
        if alone and self.repeats == (trial.plan.repeats or 1):
            trial, trained, _, notes = _begin(trial, on_progress, stop, budget)
            return Held(trial, trained, tuple(notes))
        one = trial.repeats(0, 1)
        one = replace(one, folds=replace(one.folds, words=self.divide(1).words))
        trial, trained, pace, notes = _begin(one, on_progress, stop, budget)
        stop = budget.until(stop)
        for place, challenge in enumerate(self.challenges):
            most = budget.left_for_all / 1.1 / pace
            rival = challenge(trial, trained, most) if not trained.interrupted and most > 0 else None
            if rival is None:
                continue
            if rival.work + (self.least - 1) * max(work_of(trial), rival.work) > most:
                notes.append(_no_time(rival.name, pace * rival.work, budget))
                continue
            told = staged(on_progress, f"train setting {place + 2} of {len(self.challenges) + 1}"), stop
            ended = race(trial, trained, rival, told)
            if ended is None:
                return Held(trial, trained, tuple(notes))
            trial, trained, note = ended
            notes.append(note)
        if trained.interrupted:
            return Held(trial, trained, tuple(notes))
        several, searched = Several(trial, trained), None
        if self.search is not None:
            pace = _pace(trial, trained)
            most = RESERVED * pace * work_of(trial)
            fresh = Fresh(self.divide, (staged(on_progress, "search, another repeat"), stop), most, budget)
            rest = budget.less(most * (self.least - 1 + fresh.trainings(trial)))
            several, searched, more = self.search.hold(trial, trained, pace, on_progress, rest.until(stop), rest, fresh)
            notes += more
        told = staged(on_progress, "train repeats"), stop
        # Networks of a search were trained beside others: how long they took alone is not known.
        alone = trained.seconds if searched is None else pace * work_of(several.trial) / several.settings
        seconds = float(first_says(alone))
        if several.settings > 1:
            several = self._further(several, seconds, notes, told, budget)
            return Held(several.trial, several.trained, tuple(notes), searched)
        trial, trained = self._repeat(several.trial, several.trained, seconds, notes, told, budget)
        return Held(trial, trained, tuple(notes), searched)

    def _further(self, several: Several, one: float, notes: list[Note], told: Told, budget: Budget) -> Several:
        """Train further repeats of the best of several settings, where more are wanted than there are settings, or
        where they may learn otherwise; one takes so many seconds."""
        own, wanted = several.trial, self.repeats - several.settings
        mixed = self.other is not None and own.folds.kind != "none" and self.other(own, False) is not None
        wanted = max(wanted, int(mixed))
        count = _in_time(wanted, one, budget)
        if count:
            plan = own.plan.model_copy(update={"repeats": 1 + count})
            every = replace(own, plan=plan, folds=self.divide(1 + count)).relearnt()
            other = self.other(every, False) if mixed and self.other else None
            done, rest = _in_turn(other or every, told, one, budget)
            count = done - 1
            if rest is not None:
                further = several.with_repeats(self._cut(other or every, done), rest)
                if other is None or 1 / WORSE <= _compared(further.trial, further.trained, several.settings) <= WORSE:
                    several = further
        if count < wanted and budget is not ENDLESS:
            notes.append(_no_time(counted(wanted - count, "more repeat"), (wanted - count) * one, budget))
        return several

    def _repeat(
        self, trial: Trial, trained: Trained, one: float, notes: list[Note], told: Told, budget: Budget
    ) -> tuple[Trial, Trained]:
        """Train the other repeats of the best setting, as many as there is time for, and join them to the first."""
        wanted = self.repeats
        count = 1 + _in_time(wanted - 1, one, budget)
        if count > 1:
            trial, trained = self._repeated(trial, trained, count, one, told, budget)
        missing = wanted - len(set(trial.folds.repeat))
        if missing > 0 and budget is not ENDLESS:
            notes.append(_no_time(counted(missing, "more repeat"), missing * one, budget))
        return trial, trained

    def _repeated(
        self, trial: Trial, trained: Trained, count: int, one: float, told: Told, budget: Budget
    ) -> tuple[Trial, Trained]:
        """Return a trial of so many repeats, every other one of which may learn otherwise."""
        plan = trial.plan.model_copy(update={"repeats": count})
        every = replace(trial, plan=plan, folds=self.divide(count)).relearnt()
        mixed = self.other(every, False) if self.other and every.folds.kind != "none" else None
        if mixed is not None:
            done, rest = _in_turn(mixed, told, one, budget)
            if rest is None:
                return trial, trained
            both, mixed = trained.joined(rest), self._cut(mixed, done)
            ratio = _compared(mixed, both)
            if 1 / WORSE <= ratio <= WORSE:
                return mixed, both
            better = self.other(every, True) if self.other and ratio < 1 else None
            if better is not None:
                done_better, whole = _in_turn(better, told, one, budget, first=0)
                if whole is not None:
                    return self._cut(better, done_better), whole
            if ratio < 1:
                return mixed, both
        done, rest = _in_turn(every, told, one, budget)
        return (trial, trained) if rest is None else (self._cut(every, done), trained.joined(rest))

    def _cut(self, trial: Trial, repeats: int) -> Trial:
        """Return a trial of the first so many of its repeats."""
        if repeats == len(set(trial.folds.repeat)):
            return trial
        few = trial.repeats(0, repeats)
        plan = few.plan.model_copy(update={"repeats": repeats})
        return replace(few, plan=plan, folds=replace(few.folds, words=self.divide(repeats).words))


def _in_time(wanted: int, seconds: float, budget: Budget) -> int:
    """Return how many trainings of so many seconds there is time for, of those wanted."""
    return wanted if budget is ENDLESS else min(wanted, max(0, int(budget.left_for_all / (1.1 * max(seconds, 1e-9)))))


def _in_turn(trial: Trial, told: Told, seconds: float, budget: Budget, first: int = 1) -> tuple[int, Trained | None]:
    """Train all repeats from one on, by default all but the first: at once, or where there is a budget one after the
    other, so that only one may be lost. Return how many there are then, those before it among them."""
    wanted = len(set(trial.folds.repeat))
    if budget is ENDLESS:
        rest = whole(trial.repeats(first), *told)
        return (first, None) if rest is None else (wanted, rest)
    done, rest = first, None
    while done < wanted and budget.left_for_all > 1.1 * seconds:
        one = whole(trial.repeats(done, done + 1), *told)
        if one is None:
            break
        rest, done = one if rest is None else rest.joined(one), done + 1
    return done, rest


def _pace(trial: Trial, trained: Trained) -> float:
    """Return the seconds that a unit of a trial's work took."""
    return trained.seconds / max(work_of(trial), 1.0)


def _begin(trial: Trial, on_progress: Listener, stop: Stop, budget: Budget) -> tuple[Trial, Trained, float, list[Note]]:
    """Train the first trial, and return it, seconds of a unit of work, and notes; with fewer epochs where the budget
    asks for it."""
    clock, given, share = time.perf_counter(), budget.left, [0.0]

    def tell(progress: Progress) -> None:
        if progress.epochs:
            share[0] = ((progress.wave - 1) + progress.epoch / progress.epochs) / progress.waves
        if on_progress:
            on_progress(progress)

    def hopeless() -> bool:
        spent = time.perf_counter() - clock
        return spent > PROBED * given and share[0] > 0 and spent / share[0] > given

    bounded = budget.until(stop)
    probing = bounded if budget is ENDLESS else lambda: bool(bounded and bounded()) or hopeless()
    trained = trial.train(tell if budget is not ENDLESS else on_progress, probing)
    notes: list[Note] = []
    epochs = 0
    if trained.interrupted and not (stop and stop()) and budget.left > 0 and share[0]:
        pace = (time.perf_counter() - clock) / share[0]
        epochs = max(1, int((trial.plan.epochs or 1) * FITTED * budget.left / pace))
    if epochs := int(first_says(epochs)):
        notes.append(
            Note(topic="budget", text=f"{counted(epochs, 'epoch')} instead of {trial.plan.epochs}, to end in time")
        )
        trial = replace(trial, plan=trial.plan.model_copy(update={"epochs": epochs}))
        clock = time.perf_counter()
        trained = trial.train(on_progress, bounded)
    return trial, trained, float(first_says((time.perf_counter() - clock) / max(work_of(trial), 1.0))), notes


def _no_time(name: str, seconds: float, budget: Budget) -> Note:
    """Return the note that something is left out."""
    lasts = f"about {seconds:.3g} s, {max(0.0, budget.left):.3g} s are left to train"
    return Note(topic="budget", text=f"no time for {name}: {lasts}")


def _compared(trial: Trial, trained: Trained, place: int = 1) -> float:
    """Return the error out of fold of a repeat, by default the second, over that of the first."""
    target = trial.examined.target
    rows, predicted_RNC = unseen_predictions(trial, trained)
    name = metrics_for(target.schema, trial.plan.metric)[0]
    first, second = (metric(name, target.values[rows], predicted_RNC[r]) for r in (0, place))
    return (1 - second) / max(1 - first, 1e-12) if GREATER_IS_BETTER[name] else second / max(first, 1e-300)
