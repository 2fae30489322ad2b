"""A search over the typed settings of a neural model, by Optuna, on validation genes alone.

The study lies on disk and goes on where it was stopped: the sampler's seed is that of the sweep and the number of the
trial, and a trial that was killed is asked for again, its training going on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from dnastudy import models
from dnastudy.core.errors import ModelError, SettingsError, TrainingError
from dnastudy.data.datasets import Dataset
from dnastudy.evaluation import scoring
from dnastudy.experiments.plan import Run
from dnastudy.experiments.store import Store
from dnastudy.models.search_space import Range


def distributions(model: str) -> dict[str, BaseDistribution]:
    """Return what Optuna samples for each setting of a model that is searched; empty for one without a search space."""
    return {name: _distribution(values) for name, values in models.model_class(model).search_space.items()}


def _distribution(values: Range | list) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution(values)
    if isinstance(values.low, int):
        return IntDistribution(values.low, values.high, log=values.log, step=values.step or 1)
    return FloatDistribution(values.low, values.high, log=values.log, step=values.step)


def sweep(
    model: str,
    dataset: Dataset,
    folder: Path,
    trials: int,
    seed: int = 1,
    fixed: dict[str, Any] | None = None,
    log: Callable[[str], None] | None = None,
) -> optuna.Study:
    """Search until ``trials`` are finished, those of earlier calls among them.

    Parameters
    ----------
    folder : Path
        Holds the study (``journal.log``); each model, space, data set and ``fixed`` has a study of its own in it.
    fixed : dict
        Settings that are the same in all trials; what is searched must not be among them.

    Returns
    -------
    The study; its values are nucleotide perplexities of the validation genes.

    Raises
    ------
    SettingsError
        For a model without a space, or settings that do not exist.
    TrainingError
        For a folder that another sweep is using.
    ModelError
        When no trial could be trained.
    """
    searched = distributions(model)
    if not searched:
        searchable = [name for name in models.MODELS if models.model_class(name).search_space]
        raise SettingsError(f"{model}: nothing to search; models with a search space: {', '.join(searchable)}")
    fixed, known = dict(fixed or {}), models.model_class(model).Settings
    if set(fixed) - set(known.model_fields):
        known.parse(fixed, model)  # says which, and what there is
    space = {name: distribution for name, distribution in searched.items() if name not in fixed}
    parts = json.dumps([model, seed, fixed, dataset.hashes["train"], dataset.hashes["validation"], repr(space)])
    name = f"{model}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            return _search(name, model, dataset, folder, trials, seed, fixed, space, log)
    except Timeout:
        raise TrainingError(f"{folder}: another sweep is running there; wait for it or name another folder") from None


def _search(name, model, dataset, folder, trials, seed, fixed, space, log) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.create_study(study_name=name, storage=storage, direction="minimize", load_if_exists=True)
    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):  # of a call that was killed
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    store = Store()
    while len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])) < trials:
        # of both, so that the search of the next seed is not this one shifted by a trial
        sampled = np.random.SeedSequence([seed, len(study.trials)]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(seed=int(sampled[0]))
        trial = study.ask(space)
        run = Run(name=f"{name}-{trial.number}", model=model, settings={**fixed, **trial.params})
        try:
            fitted, facts = _trained(store, run, dataset, log)
        except TrainingError as error:  # such settings do not work, or not together: no failure of the sweep
            trial.set_user_attr("error", str(error))
            study.tell(trial, state=TrialState.PRUNED)
            continue
        value = scoring.quick_perplexity(fitted, dataset.validation)
        trial.set_user_attr("seconds", facts["seconds"])
        study.tell(trial, value)
        if log:
            log(f"trial {trial.number}: validation perplexity {value:.4f} of {trial.params}")
    if not study.get_trials(deepcopy=False, states=[TrialState.COMPLETE]):
        *_, last = study.get_trials(deepcopy=False, states=[TrialState.PRUNED])
        raise ModelError(f"{model}: none of its trials could be trained; the last: {last.user_attrs['error']}")
    return study


def _trained(store: Store, run: Run, dataset: Dataset, log: Callable[[str], None] | None):
    """`Store.fit`; TrainingError also for settings that do not fit together, other errors as they are."""
    try:
        models.model_class(run.model).Settings.parse(run.settings, run.model)
    except SettingsError as error:
        raise TrainingError(str(error)) from error
    return store.fit(run, dataset, log)


def trial_table(study: optuna.Study) -> pd.DataFrame:
    """Finished trials, best first: ``trial``, ``validation_perplexity``, and a column for each setting searched."""
    done = [t for t in study.trials if t.state == TrialState.COMPLETE]
    rows = [{"trial": t.number, "validation_perplexity": t.value, **t.params} for t in done]
    return pd.DataFrame(rows).sort_values("validation_perplexity", ignore_index=True)
