"""The image searches: their examples, their loss and schedules, and that each trains."""

import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import run
from nqjax.search.configurations import sample
from nqjax.search.data.digits import digits
from nqjax.search.data.images import ImageFolder, random_crop
from nqjax.search.models.resnet import ResNet
from nqjax.search.models.schedules import warmup_cosine
from nqjax.search.sources import Stream
from nqjax.search.tasks.images import smoothed_cross_entropy
from nqjax.search.tasks.registry import REGISTRY, load

SMALL = [name for name in REGISTRY if name.endswith(("digits", "digits-adamw"))]
FULL = ["resnet18", "alexnet", "convnext-tiny", "convnext-tiny-adamw"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of noise, each of a tint and a size of its own, in two formats; one image a class is grey."""
    Image = pytest.importorskip("PIL.Image")
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for split, count in ("train", 6), ("val", 3):
        for label, (name, size) in enumerate([("ant", (40, 30)), ("bee", (24, 36)), ("cow", (32, 32))]):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 90, (size[1], size[0], 3), np.uint8)
                pixels[..., label] += 150
                image = Image.fromarray(pixels)
                image = image.convert("L") if i == 0 else image
                image.save(root / split / name / (f"{i}.png" if i % 2 else f"{i}.JPEG"))
    (root / "train" / "ant" / "notes.txt").write_text("no image")
    return root


def test_digits_are_those_of_the_mlp():
    """Every digit is in one half, standardised by the training half; the perceptron has the same ones, flat."""
    datasets = pytest.importorskip("sklearn.datasets")
    halves = digits()
    assert [len(half) for half in halves] == [1152, 645]
    x, y = (np.concatenate([half.arrays[name] for half in halves]) for name in "xy")
    theirs = datasets.load_digits()
    assert halves[0].arrays["x"].mean() == pytest.approx(0, abs=1e-6)
    assert halves[0].arrays["x"].std() == pytest.approx(1, abs=1e-6)
    low, step = x.min(), 16 / (x.max() - x.min())  # the pixels are 0 to 16
    pixels = np.rint((x - low) * step).reshape(-1, 64)
    ours = sorted(map(tuple, np.column_stack([pixels, y])))
    assert ours == sorted(map(tuple, np.column_stack([theirs.data, theirs.target])))
    task = load("digits-mlp")
    for half, flat in zip(halves, (task.train, task.valid), strict=True):
        np.testing.assert_array_equal(flat.arrays["x"], half.arrays["x"].reshape(-1, 64))
        np.testing.assert_array_equal(flat.arrays["y"], half.arrays["y"])


def test_batches_are_functions_of_their_arguments(folder):
    wanted = [((1, 2), 0, 0), ((1, 2), 0, 1), ((1, 2), 1, 0), ((3, 4), 0, 1), ((3, 4), 0, 2)]
    one, other = (ImageFolder(folder, "train", 16) for _ in range(2))
    assert isinstance(one, Stream)
    assert len(one) == 18
    first = {at: one.batch(*at, 4) for at in wanted}
    again = {}

    def ask(at):
        again[at] = other.batch(*at, 4)

    threads = [threading.Thread(target=ask, args=(at,)) for at in reversed(wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at in wanted:
        np.testing.assert_array_equal(first[at]["x"], again[at]["x"])
        np.testing.assert_array_equal(first[at]["y"], again[at]["y"])
        assert first[at]["x"].shape == (4, 16, 16, 3)
        assert first[at]["x"].dtype == np.uint8
    assert not np.array_equal(first[wanted[0]]["x"], first[wanted[2]]["x"])


def test_an_image_does_not_depend_on_the_size_of_its_batch(folder):
    source = ImageFolder(folder, "train", 16)
    small, large = source.batch((1, 2), 0, 0, 3), source.batch((1, 2), 0, 0, 9)
    np.testing.assert_array_equal(small["x"], large["x"][:3])


def test_an_epoch_has_every_image_once_and_a_new_order(folder):
    source = ImageFolder(folder, "train", 8)
    orders = [np.concatenate([source._index((1, 2), epoch, step, 6) for step in range(3)]) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(18))
    assert not np.array_equal(orders[0], orders[1])
    labels = np.concatenate([source.batch((1, 2), 0, step, 6)["y"] for step in range(3)])
    np.testing.assert_array_equal(labels, source.labels[orders[0]])


def test_images_are_those_of_their_class(folder):
    source = ImageFolder(folder, "train", 16)
    for step in range(3):
        batch = source.batch((1, 2), 0, step, 6)
        means = batch["x"].astype(float).mean((1, 2))
        coloured = np.ptp(means, axis=1) > 20  # grey images have three equal channels
        np.testing.assert_array_equal(means.argmax(1)[coloured], batch["y"][coloured])
        assert coloured.any()


def test_a_folder_may_move_but_not_change(folder, tmp_path):
    found = ImageFolder(folder, "train", 16).fingerprint
    assert found.startswith("18 images in 3 classes, ")
    moved = shutil.copytree(folder, tmp_path / "moved")
    assert ImageFolder(moved, "train", 8).fingerprint == found
    one = moved / "train" / "bee" / "2.JPEG"
    whole = one.read_bytes()
    one.write_bytes(whole + b"more")
    assert ImageFolder(moved, "train", 16).fingerprint != found
    one.write_bytes(whole)
    assert ImageFolder(moved, "train", 16).fingerprint == found
    one.rename(one.with_name("8.JPEG"))
    assert ImageFolder(moved, "train", 16).fingerprint != found


def test_evaluation_cuts_out_the_middle(folder):
    Image = pytest.importorskip("PIL.Image")
    source = ImageFolder(folder, "val", 28)
    batches = list(source.evaluation_batches(4))
    weights = np.concatenate([weights for _, weights in batches])
    np.testing.assert_array_equal(weights, [1] * 9 + [0] * 3)
    images = np.concatenate([batch["x"] for batch, _ in batches])[:9]
    np.testing.assert_array_equal(np.concatenate([batch["y"] for batch, _ in batches])[:9], np.repeat([0, 1, 2], 3))
    # Classes "cow": 32 x 32 is 28 x 28 in the middle, pixel by pixel.
    with Image.open(source.paths[7]) as file:
        np.testing.assert_array_equal(images[7], np.asarray(file)[2:30, 2:30])


def test_random_crops_lie_inside_and_have_the_shapes_asked_for():
    rng = np.random.default_rng(0)
    crops = np.array([random_crop(300, 200, rng.random((10, 4))) for _ in range(500)])
    left, top, right, bottom = crops.T
    assert left.min() >= 0
    assert top.min() >= 0
    assert right.max() <= 300
    assert bottom.max() <= 200
    area, ratio = (right - left) * (bottom - top) / 60_000, (right - left) / (bottom - top)
    # Sides are whole pixels.
    assert 0.07 < area.min() < 0.15
    assert 0.8 < area.max() < 1.01
    assert 0.72 < ratio.min() < 0.8
    assert 1.25 < ratio.max() < 1.36
    # No part of a strip is nearly square: then the largest in the middle.
    assert random_crop(1000, 10, np.full((10, 4), 0.999)) == pytest.approx((500 - 20 / 3, 0, 500 + 20 / 3, 10))


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"there is no folder .*nowhere.train"):
        ImageFolder(tmp_path / "nowhere", "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="train has no folders of classes"):
        ImageFolder(tmp_path, "train")
    (tmp_path / "train" / "ant").mkdir()
    with pytest.raises(InputError, match="ant has no images"):
        ImageFolder(tmp_path, "train")
    (tmp_path / "train" / "ant" / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"ant.1.png cannot be read"):
        ImageFolder(tmp_path, "train", 8).batch((0, 0), 0, 0, 1)
    with pytest.raises(InputError, match=r"val.cow is there, but not among the classes"):
        ImageFolder(folder, "val", classes=["ant", "bee"])
    with pytest.raises(InputError, match=r"val.dog is missing"):
        ImageFolder(folder, "val", classes=["ant", "bee", "cow", "dog"])


@pytest.mark.parametrize("name", FULL)
def test_full_sizes_ask_for_their_folder(name, folder):
    with pytest.raises(InputError, match=f"{name} needs a folder"):
        load(name)
    task = load(name, data=folder, size=64)
    assert task.settings == {"train": task.train.fingerprint, "val": task.valid.fingerprint, "size": 64}
    assert task.source == str(folder.resolve())
    config = {**sample(task.space, jax.random.key(0), 0), "batch_size": 8}
    state = jax.eval_shape(lambda key: task.init(config, key), jax.random.key(0))
    assert {leaf.shape[-1] for leaf in jax.tree.leaves(state["params"]["head"])} == {3}


def test_smoothed_cross_entropy_is_its_definition():
    logits = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    y = np.array([0, 3, 1, 1, 2])
    target = 0.7 * np.eye(4)[y] + 0.3 / 4
    log_sum = np.log(np.exp(logits.astype(float)).sum(-1, keepdims=True))
    expected = -(target * (logits - log_sum)).sum(-1)
    # Single precision.
    np.testing.assert_allclose(smoothed_cross_entropy(jnp.array(logits), jnp.array(y), 0.3), expected, rtol=1e-5)


def test_sgd_follows_the_one_cycle_schedule():
    task = load("alexnet-digits")
    config = sample(task.space, jax.random.key(1), 0) | {"batch_size": 64, "epochs": 4, "lr_peak_epoch": 1}
    config |= {"num_rounds": 4, "lr": 0.5, "momentum": 0.0, "weight_decay": 0.1}
    params = {"kernel": jnp.ones((1, 1)), "bias": jnp.ones(1)}
    gradient = jax.tree.map(jnp.zeros_like, params)
    rates = []
    for count in range(72):
        state = {"params": params, "optimizer": task.start(params), "count": jnp.int32(count)}
        moved, _ = task.update(state, config, gradient)
        rates.append(10 * (1 - float(moved["kernel"][0, 0])))
        assert moved["bias"] == 1  # only weights decay
    # An epoch of 18 steps up, three down; the differences are of single precision.
    wanted = 0.5 * np.minimum(np.arange(1, 73) / 18, (72 - np.arange(72)) / 54)
    np.testing.assert_allclose(rates, wanted, atol=1e-5)


def test_warmup_cosine_rises_and_falls():
    shares = [float(warmup_cosine(jnp.int32(i), 20, 4)) for i in range(21)]
    np.testing.assert_allclose(shares[:5], [0.25, 0.5, 0.75, 1, 1], rtol=1e-6)
    # Half way down in the middle, and nothing at the end.
    np.testing.assert_allclose([shares[12], shares[20]], [0.5, 0], atol=1e-6)
    assert all(np.diff(shares[4:]) < 0)


@pytest.mark.parametrize("name", SMALL)
def test_each_small_search_learns_its_batch(name):
    task = load(name)
    rng = np.random.default_rng(0)
    batch = {k: jnp.array(v[:16]) for k, v in task.train.arrays.items()}
    configs = []
    for trial in range(2):
        drawn = sample(task.space, jax.random.key(0), trial)
        configs.append(
            drawn | {"lr": 3e-3 if "adamw" in name else 0.05, "num_rounds": 4, "batch_size": 16, "use_blurpool": 1}
        )
        configs[-1] |= dict.fromkeys(("dropout", "stochastic_depth", "label_smoothing", "warmup_epochs"), 0.05)
        configs[-1] |= {"lr_peak_epoch": 0, "warmup_epochs": 0, "momentum": 0.9, "beta1": 0.9, "beta2": 0.99}
    static = {key: configs[0][key] for key in task.static}
    traced = [{k: np.float32(v) for k, v in config.items() if k not in static} for config in configs]
    stacked = jax.tree.map(lambda *values: np.stack(values), *traced)
    keys = jax.random.split(jax.random.key(int(rng.integers(9))), 2)
    start = jax.jit(jax.vmap(lambda config, key: task.init(static | config, key)))

    @jax.jit
    def train(state, configs, keys, batch):
        def body(state, number):
            one = jax.vmap(
                lambda state, config, key: task.step(state, static | config, batch, jax.random.fold_in(key, number))
            )
            return one(state, configs, keys)

        return jax.lax.scan(body, state, jnp.arange(25))

    state, losses = train(start(stacked, keys), stacked, keys, batch)
    assert losses.shape == (25, 2)
    assert np.isfinite(losses).all()
    assert (losses[-3:].mean(0) < 0.7 * losses[0]).all()
    metrics = jax.jit(jax.vmap(lambda state, config: task.evaluate(state, static | config, batch)))(state, stacked)
    assert {name: value.shape for name, value in metrics.items()} == {"val_error": (2, 16), "val_loss": (2, 16)}


def test_a_search_on_folders_runs(folder):
    task = load("resnet18", data=folder, size=16)
    task.model = ResNet((1, 1), (4, 6), classes=3, small=True)
    space = dict(task.space) | {"epochs": 2, "batch_size": 6, "lr": 0.05, "use_blurpool": 0}
    trials = run(task, space, num_trials=2, key=jax.random.key(0))
    assert len(trials.scores) == 2
    # Nine images for validation.
    np.testing.assert_allclose(np.asarray(trials.scores) * 9 % 1, 0, atol=1e-5)
