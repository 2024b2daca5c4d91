"""Compare hypergradients of digits-mlp with central differences: where they are of use, and where they are refused.

python -m bench hypergradients [--quick]

The task is trained with a schedule for the number of steps in the table; there is no dropout. The same network with
GELU instead of rectified units shows what the derivative misses: the jumps of a step where a unit switches.
"""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from bench.common import table
from nqjax.search import hypergradient, load
from nqjax.search.gradients.differences import central_differences
from nqjax.search.gradients.training import split, steps_of

#: Epochs of 18 steps.
EPOCHS = (3, 30)

RATES = (0.02, 0.1, 0.4, 1.0)

CONFIG = {"momentum": 0.9, "weight_decay": 1e-4, "dropout": 0.0, "init_scale": 1.0}

SEEDS = 16

NAMES = ("learning_rate", "weight_decay")


class Smooth(nn.Module):
    """The network of digits-mlp with GELU, without dropout."""

    @nn.compact
    def __call__(self, x, rate=0.0, key=None):
        for _ in range(2):
            x = nn.gelu(nn.Dense(64, kernel_init=nn.initializers.he_normal())(x))
        return nn.Dense(10, kernel_init=nn.initializers.lecun_normal())(x)


def main(*, quick: bool) -> None:
    """Print the tables."""
    lines: dict[str, list[list[str]]] = {name: [] for name in NAMES}
    key = jax.random.key(0)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(SEEDS, dtype=jnp.uint32))
    for epochs in EPOCHS[:1] if quick else EPOCHS:
        for network in ("ReLU", "GELU"):
            task = load("digits-mlp")
            task.epochs = epochs
            if network == "GELU":
                task.model = Smooth()
            for rate in RATES:
                config = {**CONFIG, "learning_rate": rate}
                found = hypergradient(task, config, key=key, names=NAMES, seeds=SEEDS, check=True)
                for name in NAMES:
                    line = [network, str(18 * epochs), f"{rate:g}", *_cells(task, config, found, name, keys)]
                    lines[name].append(line)
                    print(name, " | ".join(line), flush=True)
    header = ["units", "steps", "learning rate", "loss", "gradient: mean (sd)", "median"]
    header += ["central difference: mean (sd)", "difference of the means (its error)", "sign agrees"]
    header += ["signal to noise", "cost", "verdict"]
    for name in NAMES:
        table(f"d(validation loss) / d(log {name}), {SEEDS} seeds; cost in plain trainings", header, lines[name])


def _cells(task, config, found, name, keys) -> list[str]:
    one, slopes = found[name], found.by_seed[:, found.names.index(name)]
    with jax.enable_x64(False):
        steps, traced = steps_of(task, config), split(task, config)[0]
        central = central_differences(steps, traced, task.space, (name,), keys)[:, 0]
    agree = int(np.sum(np.sign(slopes) == np.sign(central)))
    verdict = "refused" if one.refused else "reliable" if one.reliable else "sign not told"
    with np.errstate(all="ignore"):
        apart = slopes - central
        paired = f"{apart.mean():.2g} ({apart.std(ddof=1) / math.sqrt(SEEDS):.1g})"
    cells = [f"{found.scores.mean():.3f}", _spread(slopes), f"{one.median:.3g}", _spread(central), paired]
    return [*cells, f"{agree}/{SEEDS}", f"{one.signal_to_noise:.1f}", f"{found.cost:.1f}", verdict]


def _spread(values: np.ndarray) -> str:
    with np.errstate(over="ignore", invalid="ignore"):
        return f"{values.mean():.3g} ({values.std(ddof=1):.2g})"
