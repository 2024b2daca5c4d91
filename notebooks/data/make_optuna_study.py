"""Write `optuna-studies.log`, a journal of two studies by Optuna, which must be installed."""

import math
import random
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

PATH = Path(__file__).with_name("optuna-studies.log")
TRIALS = 64


def main() -> None:
    """Run a random search, and one by TPE, of the same function."""
    PATH.unlink(missing_ok=True)
    storage = JournalStorage(JournalFileBackend(str(PATH)))
    for name, sampler in (
        ("random", optuna.samplers.RandomSampler(seed=0)),
        ("tpe", optuna.samplers.TPESampler(seed=0)),
    ):
        noise = random.Random(1)

        def objective(trial: optuna.Trial) -> float:
            rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
            dropout = trial.suggest_float("dropout", 0.0, 0.6)
            layers = trial.suggest_int("layers", 1, 6)
            bowl = 0.04 * (math.log10(rate) + 2.5) ** 2 + 0.3 * (dropout - 0.2) ** 2 + 0.0005 * (layers - 3) ** 2
            return 0.12 + bowl + noise.gauss(0, 0.003)  # noqa: B023 - called within the loop

        study = optuna.create_study(storage=storage, study_name=name, sampler=sampler, direction="minimize")
        study.optimize(objective, n_trials=TRIALS)


if __name__ == "__main__":
    main()
