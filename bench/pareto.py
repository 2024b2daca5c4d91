"""Hypervolume of NSGA-II on test problems, and pymoo's under the same settings.

python -m bench pareto [--quick]
"""

import importlib.util
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from bench.common import table
from nqjax.search import NSGA2, hypervolume
from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.dominance import best

#: Runs by each program.
RUNS = 31
QUICK = 5

VARIABLES = 30
POPULATION = 100
GENERATIONS = 250
REFERENCE = (1.1, 1.1)


def zdt1(x):
    g = 1 + 9 * x[..., 1:].mean(axis=-1)
    return jnp.stack([x[..., 0], g * (1 - jnp.sqrt(x[..., 0] / g))], axis=-1)


def zdt2(x):
    g = 1 + 9 * x[..., 1:].mean(axis=-1)
    return jnp.stack([x[..., 0], g * (1 - (x[..., 0] / g) ** 2)], axis=-1)


#: Problems with the hypervolume of their exact fronts.
PROBLEMS = {"zdt1": (zdt1, 1.21 - 1 / 3), "zdt2": (zdt2, 1.21 - 2 / 3)}


def main(*, quick: bool) -> None:
    """Print the table."""
    runs = QUICK if quick else RUNS
    lines = []
    for name, (problem, exact) in PROBLEMS.items():
        lines.append([name, "nqjax", *_cells(*_ours(problem, runs), exact)])
        if importlib.util.find_spec("pymoo"):
            lines.append([name, "pymoo", *_cells(*_theirs(name, runs), exact)])
        else:
            print("pymoo is not installed")
        print("\n".join(" | ".join(line) for line in lines[-2:]), flush=True)
    header = ["problem", "program", "median", "least", "largest", "exact front", "CPU seconds a run"]
    table(f"Hypervolume after {GENERATIONS} generations of {POPULATION}, {runs} runs", header, lines)


def _cells(volumes, seconds, exact) -> list[str]:
    return [*(f"{v:.4f}" for v in (np.median(volumes), min(volumes), max(volumes), exact)), f"{seconds:.2f}"]


@partial(jax.jit, static_argnums=0)
def _fronts(problem, keys):
    cube, method = Cube((0,) * VARIABLES, (False,) * VARIABLES), NSGA2(population=POPULATION)

    def one(key):
        def generation(state, number):
            first = number * POPULATION
            state, points = method.ask(cube, state, first, POPULATION)
            return method.tell(cube, state, first, None, problem(points)), None

        start = method.init(cube, POPULATION * GENERATIONS, key)
        state, _ = jax.lax.scan(generation, start, jnp.arange(GENERATIONS))
        values = problem(jnp.concatenate([state.points, state.inner.points]))
        return values[best(values, jnp.zeros(len(values)), POPULATION)[0]]

    return jax.lax.map(one, keys)


def _ours(problem, runs):
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), runs)
        jax.block_until_ready(_fronts(problem, keys))
        began = time.process_time()
        fronts = np.asarray(_fronts(problem, keys))
        seconds = (time.process_time() - began) / runs
    return [hypervolume(front, REFERENCE) for front in fronts], seconds


def _theirs(name, runs):
    from pymoo.algorithms.moo.nsga2 import NSGA2 as Theirs
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    began, volumes = time.process_time(), []
    for seed in range(runs):
        mutation = PM(prob=1.0, prob_var=1 / VARIABLES, eta=20)
        method = Theirs(pop_size=POPULATION, crossover=SBX(prob=0.9, eta=15), mutation=mutation)
        found = minimize(get_problem(name), method, ("n_gen", GENERATIONS), seed=seed)
        volumes.append(hypervolume(found.F, REFERENCE))
    return volumes, (time.process_time() - began) / runs
