"""First calls, with an empty cache of compiled programs and, in another process, with a full one.

CPU seconds of whole calls on one search of 48 scores; each row is a process of its own.
"""

import os
import subprocess
import sys
import tempfile
import time

from bench.common import table, verdict

_PROGRAM = """
import time
import sys
import jax, numpy as np, nqjax
folder, names = sys.argv[1], sys.argv[2].split(",")
if folder:
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
rng = np.random.default_rng(0)
y, limits = rng.uniform(size=48) + 0.02 * rng.normal(size=48), (-np.inf, 0.6)
key = jax.random.key(0)
calls = {
    "fit": lambda: nqjax.fit(y, limits=limits),
    "fit of 400 scores": lambda: nqjax.fit(np.concatenate([y + i * 1e-3 for i in range(9)])[:400], limits=limits),
    "bootstrap": lambda: nqjax.bootstrap(y, 20, key=key, limits=limits),
    "find_regime": lambda: nqjax.find_regime(y),
    "profile": lambda: nqjax.profile_region(y, limits=limits),
    "quadrature": lambda: nqjax.sample_posterior(y, key=key, method="quadrature", limits=limits),
}
for name in names:
    began = time.process_time()
    calls[name]()
    print(time.process_time() - began)
print(time.process_time())
"""


def main(quick: bool = False) -> None:
    _first_calls()
    _shell(1 if quick else 3)


def _seconds(folder: str, names: list[str], seed: int = 0) -> list[float]:
    """Return the CPU seconds of each call, and of the whole process, imports included."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | {"PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-c", _PROGRAM, folder, ",".join(names)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return [float(line) for line in done.stdout.split()]


def _first_calls() -> None:
    rows = []
    for name, first, target in (
        ("fit", [], 5),
        ("bootstrap", [], 8),
        ("fit of 400 scores", ["fit"], 0.5),
        ("find_regime", ["fit"], 1),
        ("profile", ["fit"], 3),
        ("quadrature", [], 5),
    ):
        found = _seconds("", [*first, name])[len(first)]
        label = name + (" after fit" if first else "")
        rows.append([label, f"{found:.2f} s", f"{target} s: {verdict(found, target, at_least=False)}"])
    with tempfile.TemporaryDirectory() as folder:
        names = ["fit", "profile", "quadrature"]
        cold = _seconds(folder, names, 1)[-1]
        warm = _seconds(folder, names, 2)[-1]
    rows.append(["fit + region + quadrature, one process, empty cache", f"{cold:.2f} s", ""])
    target = f"6 s: {verdict(warm, 6, at_least=False)}"
    rows.append(["the same in a second process, another hash seed", f"{warm:.2f} s", target])
    table("First calls at n = 48: CPU seconds", ["call", "CPU", "target"], rows)


def _shell(rounds: int) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        for name, arguments, count, target in (
            ("nqjax demo, empty cache", ["demo"], 1, 7),
            ("nqjax demo, again", ["demo"], rounds, 2.5),
            ("nqjax --help", ["--help"], 3 * rounds, 0.3),
        ):
            times = []
            for _ in range(count):
                began = time.perf_counter()
                command = [sys.executable, "-m", "nqjax", *arguments]
                subprocess.run(command, env=environment, check=True, capture_output=True)
                times.append(time.perf_counter() - began)
            rows.append([name, f"{min(times):.2f} s", f"{target} s: {verdict(min(times), target, at_least=False)}"])
    table("From the shell: seconds, the least of a few", ["command", "wall", "target"], rows)
