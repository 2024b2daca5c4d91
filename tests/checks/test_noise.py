"""Noise diagnostics: right as often as they say, by simulation, and each number by an independent computation."""

import math
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax.checks import noise_tests
from nqjax.errors import InputError

CONFIGS = 8
SEEDS = 32
IDS = np.repeat([f"c{i}" for i in range(CONFIGS)], SEEDS)
MEANS = np.linspace(0.08, 0.12, CONFIGS)[:, None]


def table_of(residuals, sigma=1e-3):
    return {"config_id": IDS, "y": (MEANS + sigma * residuals).ravel()}


def draw(kind, rng):
    if kind == "t3":
        return rng.standard_t(3, size=(CONFIGS, SEEDS))
    noise = rng.normal(size=(CONFIGS, SEEDS))
    if kind == "threefold sigma":
        return noise * rng.permutation(np.geomspace(1, 3, CONFIGS))[:, None]
    if kind == "a trend":
        return noise * np.geomspace(1, 1.7, CONFIGS)[:, None]
    return noise


def share_rejected(kind, count, **options):
    rejected = 0
    for i in range(count):
        diagnostics = nqjax.noise_diagnostics(table_of(draw(kind, np.random.default_rng([7, i]))), **options)
        rejected += diagnostics.holds is False
    return rejected / count


# --- how often it is right ------------------------------------------------------------------------------------------


def test_a_true_noise_model_is_seldom_rejected():
    """In the share `level` of cases, within five standard errors; a little less, as Holm's method is conservative."""
    level, count = 0.2, 150
    found = share_rejected("normal", count, level=level)
    assert abs(found - level) < 5 * math.sqrt(level * (1 - level) / count)


@pytest.mark.slow
@pytest.mark.parametrize("level", [0.05, 0.2])
def test_the_level_with_more_draws(level):
    """2,000 draws: no more than five standard errors above the level, and no less than half of it."""
    count = 2000
    found = share_rejected("normal", count, level=level)
    assert level / 2 < found < level + 5 * math.sqrt(level * (1 - level) / count)


@pytest.mark.parametrize(("kind", "at_least"), [("t3", 0.9), ("threefold sigma", 0.99), ("a trend", 0.5)])
def test_power(kind, at_least):
    assert share_rejected(kind, 60) >= at_least


def test_rounded_scores_are_no_other_shape():
    """Half a sigma coarse, where plain Shapiro-Wilk tests reject nine of ten: within five standard errors."""
    count, rejected, plain = 60, 0, 0
    for i in range(count):
        table = table_of(np.round(2 * draw("normal", np.random.default_rng([8, i]))) / 2, sigma=1.0)
        table["y"] = np.round(2 * table["y"]) / 2
        diagnostics = nqjax.noise_diagnostics(table)
        assert diagnostics.step == 0.5
        rejected += diagnostics.normality.p <= 0.05
        each = [scipy.stats.shapiro(y).pvalue for y in table["y"].reshape(CONFIGS, SEEDS)]
        plain += scipy.stats.combine_pvalues(each).pvalue <= 0.05
    assert plain / count > 0.5
    assert rejected / count < 0.05 + 5 * math.sqrt(0.05 * 0.95 / count)


@pytest.mark.parametrize("n", [3, 5, 40])
def test_normal_scores_are_normal(n):
    """Exactly, however few seeds there are: one residual of each of 20,000 groups."""
    z = noise_tests.normal_scores(np.random.default_rng(n).normal(3, 5, size=(20_000, n)))
    assert scipy.stats.kstest(z[:, 0], "norm").pvalue > 1e-3


def test_the_p_value_of_a_trend_is_exact():
    """Each attainable p-value p occurs in a share p of 400 draws, to 5 standard errors; groups have different sizes."""
    rng, count = np.random.default_rng(5), 400
    p = np.array([noise_tests.trend([rng.normal(size=n) for n in (4, 8, 16, 32, 64, 8)]).p for _ in range(count)])
    for level in np.unique(p):
        assert abs(np.mean(p <= level) - level) < 5 * math.sqrt(level * (1 - level) / count) + 1e-12


# --- what is reported -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table():
    return table_of(draw("normal", np.random.default_rng(0)))


def test_numbers(table):
    found = nqjax.noise_diagnostics(table, limits=(-math.inf, 0.105), level=0.1)
    groups = table["y"].reshape(CONFIGS, SEEDS)
    used = [row for row in found.configurations if row.used]
    assert [row.id for row in used] == ["c0", "c1", "c2", "c3", "c4"]
    assert [row.inside for row in found.configurations] == [True] * 5 + [False] * 3
    for row, y in zip(found.configurations, groups, strict=True):
        assert (row.number, row.failed) == (SEEDS, 0)
        assert (row.mean, row.sd) == pytest.approx((np.mean(y), np.std(y, ddof=1)))
        low, high = (math.sqrt(31 * row.sd**2 / scipy.stats.chi2.ppf(q, 31)) for q in (0.95, 0.05))
        assert row.sd_interval == pytest.approx((low, high))
        assert row.shapiro_p == pytest.approx(scipy.stats.shapiro(y).pvalue) if row.used else math.isnan(row.shapiro_p)
    inside = groups[:5]
    assert found.degrees_of_freedom == 5 * 31
    assert found.sigma == pytest.approx(math.sqrt(np.mean(np.var(inside, axis=1, ddof=1))))
    assert found.sigma_interval[0] < found.sigma < found.sigma_interval[1]
    assert found.homoskedasticity.p == pytest.approx(scipy.stats.levene(*inside).pvalue)
    rho = scipy.stats.spearmanr(inside.mean(1), inside.std(1)).statistic
    assert found.trend.statistic == pytest.approx(rho)
    exact = scipy.stats.permutation_test(
        (inside.std(1),), lambda s: scipy.stats.spearmanr(inside.mean(1), s).statistic, permutation_type="pairings"
    )
    assert found.trend.p == pytest.approx(exact.pvalue)
    p = sorted([found.normality.p, found.homoskedasticity.p, found.trend.p])
    adjusted = np.maximum.accumulate(np.minimum(np.array(p) * [3, 2, 1], 1))
    both = sorted([found.normality.p_adjusted, found.homoskedasticity.p_adjusted, found.trend.p_adjusted])
    assert both == pytest.approx(adjusted)
    assert found.holds is True
    assert "holds as far as these runs can tell: in 5 configurations" in found.verdict


def test_maximising_is_the_mirror_image(table):
    mirrored = {"config_id": table["config_id"], "y": -table["y"]}
    one = nqjax.noise_diagnostics(table, limits=(-math.inf, 0.105))
    other = nqjax.noise_diagnostics(mirrored, limits=(-0.105, math.inf), minimize=False)
    assert [row.id for row in one.configurations] == [row.id for row in other.configurations]
    assert other.sigma == pytest.approx(one.sigma)
    for test in ("normality", "homoskedasticity", "trend"):
        assert getattr(one, test).p == pytest.approx(getattr(other, test).p)


def test_a_mean_on_the_threshold_is_inside():
    table = {"config_id": [1, 1, 1, 2, 2, 2], "y": [0.1] * 3 + [0.3, 0.4, 0.5]}
    low = nqjax.noise_diagnostics(table, limits=(-math.inf, 0.1))
    assert [row.inside for row in low.configurations] == [True, False]
    high = nqjax.noise_diagnostics(table, limits=(0.1, math.inf), minimize=False)
    assert [row.inside for row in high.configurations] == [True, True]


def test_failed_runs_and_few_seeds(table):
    ids = np.concatenate([IDS, ["c0", "few", "few", "few", "lost"]])
    y = np.concatenate([table["y"], [math.nan, 0.1, 0.11, math.inf, -math.inf]])
    found = nqjax.noise_diagnostics({"config_id": ids, "y": y})
    rows = {row.id: row for row in found.configurations}
    assert (rows["c0"].number, rows["c0"].failed, rows["c0"].used) == (33, 1, True)
    assert (rows["few"].number, rows["few"].failed, rows["few"].inside, rows["few"].used) == (3, 1, True, False)
    assert (rows["lost"].failed, rows["lost"].inside, rows["lost"].used) == (1, False, False)
    assert found.configurations[-1].id == "lost"
    assert found.sigma == nqjax.noise_diagnostics(table).sigma
    text = " ".join(found.warnings)
    for part in ("fewer than 3 finite scores: few", "all runs failed: lost", "1 run inside the regime failed"):
        assert part in text


def test_a_false_model_is_named():
    noise = draw("a trend", np.random.default_rng(1)) * np.geomspace(1, 2, CONFIGS)[:, None]
    found = nqjax.noise_diagnostics(table_of(noise))
    assert found.holds is False
    assert "does not hold" in found.verdict
    assert "the spread differs between configurations" in found.verdict
    assert "the spread grows as scores get worse" in found.verdict
    assert found.trend.statistic > 0.8
    assert "normal" not in found.verdict
    mirrored = nqjax.noise_diagnostics({"config_id": IDS, "y": -table_of(noise)["y"]}, minimize=False)
    assert "the spread grows as scores get worse" in mirrored.verdict


@pytest.mark.parametrize("kind", ["fit", "number"])
def test_the_fitted_sigma(table, kind):
    def compare(sigma):
        fit = SimpleNamespace(sigma=sigma, minimize=True) if kind == "fit" else sigma
        return nqjax.noise_diagnostics(table, fit=fit)

    same, half, none = compare(1e-3), compare(2e-3), compare(0.0)
    assert same.comparison.ratio == pytest.approx(same.sigma / 1e-3)
    assert same.comparison.interval == pytest.approx([end / 1e-3 for end in same.sigma_interval])
    assert not same.comparison.differs
    assert "so fit and reruns agree" in same.verdict
    assert half.comparison.differs
    assert "excludes 1" in half.verdict
    assert none.comparison.ratio == math.inf
    assert none.comparison.differs
    assert "found no noise" in none.verdict


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ({"config_id": ["a"] * 9, "y": np.arange(9.0)}, "only one configuration"),
        ({"config_id": ["a", "b"], "y": [1, 2]}, "no configuration"),
        ({"config_id": ["a"] * 3 + ["b"] * 3, "y": [1, 2, 4, 5, 6, 9]}, "Too little to tell: retrain"),
        ({"config_id": ["a"] * 9 + ["b"] * 9, "y": [0.1] * 9 + [0.7] * 9}, "nothing to judge"),
        ({"config_id": ["a"] * 9 + ["b"] * 9, "y": [math.nan] * 18}, "no configuration"),
    ],
)
def test_too_little_to_tell(table, part):
    found = nqjax.noise_diagnostics(table)
    assert found.holds is None
    assert part in found.verdict
    assert len(found.qq.residuals) in (0, 6, 9)


def test_constant_and_coarse_configurations(table):
    """They have no shape to test, but their spread counts."""
    y = table["y"].copy()
    y[:SEEDS] = 0.08
    found = nqjax.noise_diagnostics({"config_id": IDS, "y": y})
    row = found.configurations[0]
    assert (row.sd, row.used) == (0.0, True)
    assert math.isnan(row.shapiro_p)
    assert len(found.residuals) == (CONFIGS - 1) * SEEDS
    assert found.holds is False
    assert "1 configuration is constant or too coarse" in " ".join(found.warnings)


def test_only_two_values():
    y = np.tile([0.0, 1.0], 32)
    found = nqjax.noise_diagnostics({"config_id": np.repeat(["a", "b"], 32), "y": y})
    assert found.step == 1.0
    assert math.isfinite(found.homoskedasticity.p) or math.isnan(found.homoskedasticity.p)
    assert found.holds in (True, False, None)


@pytest.mark.parametrize(
    ("scores", "step"),
    [
        (np.arange(10) / 9815, 0.0),  # no ties
        (np.array([3, 3, 7, 11, 20]) / 9815, 1 / 9815),
        (np.round(np.array([3, 3, 7, 12, 20, 21]) / 9815, 6), 1 / 9815),  # printed with few digits
        (np.array([0.5, 0.5, 0.5]), 0.0),
    ],
)
def test_grids(scores, step):
    assert noise_tests.grid_step(np.asarray(scores)) == pytest.approx(step, rel=0.02)


def test_qq(table):
    found = nqjax.noise_diagnostics(table)
    qq = found.qq
    assert len(qq.theoretical) == CONFIGS * SEEDS
    assert np.all(np.diff(qq.residuals) >= 0)
    assert np.all((qq.low <= qq.residuals) & (qq.residuals <= qq.high))
    assert np.all((qq.low < qq.theoretical) & (qq.theoretical < qq.high))
    outlier = table["y"].copy()
    outlier[5] += 0.02
    qq = nqjax.noise_diagnostics({"config_id": IDS, "y": outlier}).qq
    assert qq.residuals[-1] > qq.high[-2]


def test_files(table, tmp_path):
    path = tmp_path / "runs.csv"
    rows = zip(table["config_id"], table["y"].tolist(), strict=True)
    path.write_text("config_id,y\n" + "".join(f"{name},{y!r}\n" for name, y in rows))
    one, other = nqjax.noise_diagnostics(path), nqjax.noise_diagnostics(table)
    assert one.configurations == other.configurations
    assert one.verdict == other.verdict


def test_picture(table):
    found = nqjax.noise_diagnostics(table, limits=(-math.inf, 0.105))
    left, right = nqjax.plots.noise(found, name="error").ax
    lines = {line.get_label(): line.get_xydata() for line in left.get_lines()}
    np.testing.assert_array_equal(lines["residuals"], np.stack([found.qq.theoretical, found.residuals], axis=1))
    bars = {box.get_label(): box.lines[0].get_xydata() for box in right.containers}
    np.testing.assert_array_equal(
        bars["in the regime, 95 % each"], [(row.mean, row.sd) for row in found.configurations if row.used]
    )
    assert len(bars["not judged"]) == 3
    (pooled,) = [line for line in right.get_lines() if line.get_label().startswith("pooled")]
    assert pooled.get_ydata()[0] == found.sigma
    assert right.get_xlabel() == "mean error"
    assert plt.get_fignums() == []
    nothing = nqjax.noise_diagnostics({"config_id": ["a"], "y": [1.0]})
    left, _ = nqjax.plots.noise(nothing).ax
    assert not left.get_lines()


@pytest.mark.parametrize(
    ("table", "options", "part"),
    [
        ({"config_id": [1], "y": [1, 2]}, {}, "1 ids and scores of shape"),
        ({"config_id": [1], "z": [1]}, {}, "no column 'y'; its columns: config_id, z"),
        ({"config_id": [None], "y": [1]}, {}, "row 1: config_id is missing"),
        ({"config_id": [1], "y": ["x"]}, {}, "not numbers"),
        ({"config_id": [], "y": []}, {}, "no rows"),
        ([1, 2], {}, "the table is a list"),
        ("nothing.csv", {}, "does not exist"),
        ({"config_id": [1], "y": [1]}, {"level": 1.0}, "level is 1.0"),
        ({"config_id": [1], "y": [1]}, {"limits": (1, 0)}, "wrong way round"),
        ({"config_id": [1], "y": [1]}, {"fit": -1.0}, "the fit is -1.0: give a fit, or its sigma"),
        ({"config_id": [1], "y": [1]}, {"fit": SimpleNamespace(sigma=1.0, minimize=False)}, "minimize=False"),
    ],
)
def test_mistakes(table, options, part):
    with pytest.raises(InputError, match=part):
        nqjax.noise_diagnostics(table, **options)
