"""Token files, the standard library's text, pairs of sentences, and the language tasks."""

import copy
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nqjax.errors import InputError
from nqjax.search import Stream, configurations, load
from nqjax.search.data import corpus, line_pairs, mnli
from nqjax.search.data.tokens import TokenWindows, find_tokens, open_tokens, write_tokens
from nqjax.search.models import adamw, schedules
from nqjax.search.models.llama import Llama
from nqjax.search.sources import Arrays
from nqjax.search.task import Task, check_task
from nqjax.search.tasks import deberta_pretraining
from nqjax.search.tasks.deberta import DebertaMNLI, DebertaStdlib
from nqjax.search.tasks.llama import Llama33M, LlamaStdlib

# --- files of tokens --------------------------------------------------------------------------------------------------


def test_text_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "train.npy"
    assert write_tokens(path, ["né", [7, 8], np.array([], int), "!"]) == 6
    tokens = open_tokens(path)
    assert isinstance(tokens, np.memmap)
    assert tokens.dtype == np.uint16
    np.testing.assert_array_equal(tokens, [*"né".encode(), 7, 8, ord("!")])
    assert [entry.name for entry in tmp_path.iterdir()] == ["train.npy"]


def test_a_large_vocabulary_takes_32_bits_and_its_own_encoder(tmp_path: Path) -> None:
    path = tmp_path / "train.npy"
    write_tokens(
        path, ["a b", "c"], encode=lambda text: [70_000 + ord(word) for word in text.split()], vocab_size=80_000
    )
    assert open_tokens(path).dtype == np.uint32
    np.testing.assert_array_equal(open_tokens(path), [70_097, 70_098, 70_099])


def test_raw_files_hold_16_bits_a_token(tmp_path: Path) -> None:
    np.arange(300, dtype="<u2").tofile(tmp_path / "val.bin")
    np.testing.assert_array_equal(open_tokens(find_tokens(tmp_path, "val")), np.arange(300))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "train.npy"
    write_tokens(path, ["old"])
    with pytest.raises(InputError, match="a token is 300, outside a vocabulary of 256"):
        write_tokens(path, ["new", [300]])
    assert bytes(open_tokens(path).astype(np.uint8)) == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["train.npy"]


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: write_tokens(path.with_suffix(".txt"), ["a"]), "must be a .npy file"),
        (lambda path: write_tokens(path, []), "there are no tokens"),
        (lambda path: write_tokens(path, [[0.5]]), "must be a row of whole numbers"),
        (lambda path: write_tokens(path / "missing" / "x.npy", ["a"]), "cannot write"),
        (open_tokens, "cannot read the tokens"),
        (lambda path: find_tokens(path.parent, "val"), "has no val.npy or val.bin"),
        (lambda path: np.save(path, np.zeros((2, 2), int)) or open_tokens(path), r"int64 of shape \(2, 2\)"),
        (lambda path: np.save(path, np.zeros(2)) or open_tokens(path), "needs one row of whole numbers"),
        (lambda path: path.write_bytes(b"text") and open_tokens(path), "not a whole .npy file"),
        (
            lambda path: path.with_suffix(".bin").write_bytes(b"abc") and open_tokens(path.with_suffix(".bin")),
            "two for",
        ),
        (lambda path: write_tokens(path, ["abc"]) and TokenWindows(path, 3, 256), "has 3 tokens: a window needs 4"),
    ],
)
def test_errors_of_files_say_what_to_do(tmp_path: Path, write: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path / "x.npy")


def test_a_fingerprint_is_of_the_tokens_not_of_their_file(tmp_path: Path) -> None:
    tokens = np.arange(3_000) % 200
    found = set()
    for dtype, name in (("<u2", "x.npy"), ("<i8", "y.npy")):
        np.save(tmp_path / name, tokens.astype(dtype))
        found.add(TokenWindows(tmp_path / name, 10, 256).fingerprint)
    tokens.astype("<u2").tofile(tmp_path / "z.bin")
    found.add(TokenWindows(tmp_path / "z.bin", 10, 256, limit=5).fingerprint)
    (same,) = found
    assert same.startswith("3,000 tokens, ")
    np.save(tmp_path / "x.npy", tokens[:-1])
    np.save(tmp_path / "y.npy", tokens + 1)
    others = {TokenWindows(tmp_path / name, 10, 256).fingerprint for name in ("x.npy", "y.npy")}
    assert len(others - {same}) == 2


@pytest.fixture
def stream(tmp_path: Path) -> TokenWindows:
    write_tokens(tmp_path / "x.npy", [np.arange(103)], vocab_size=128)
    return TokenWindows(tmp_path / "x.npy", 10, 128)


def test_batches_are_a_function_of_their_place(stream: TokenWindows) -> None:
    assert isinstance(stream, Stream)
    assert len(stream) == 10
    batch = stream.batch((1, 2), 3, 4, 50)["tokens"]
    assert batch.shape == (50, 11)
    np.testing.assert_array_equal(np.diff(batch), 1)
    np.testing.assert_array_equal(stream.batch((1, 2), 3, 4, 50)["tokens"], batch)
    for other in [((1, 3), 3, 4), ((1, 2), 4, 4), ((1, 2), 3, 5)]:
        assert not np.array_equal(stream.batch(*other, 50)["tokens"], batch)
    # Every place is one to begin at, the first and the last included (each is missed once in e**11 times).
    starts = stream.batch((0,), 0, 0, 93 * 11)["tokens"][:, 0]
    assert (starts.min(), starts.max()) == (0, 92)


def test_batches_are_the_same_from_many_threads(stream: TokenWindows) -> None:
    found: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda i=i: found.update({i: stream.batch((5,), i, 0, 8)["tokens"]})) for i in range(8)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    for i in range(8):
        np.testing.assert_array_equal(found[i], stream.batch((5,), i, 0, 8)["tokens"])


def test_validation_predicts_each_token_once(stream: TokenWindows) -> None:
    batches = list(stream.evaluation_batches(4))
    windows = np.concatenate([batch["tokens"][weights > 0] for batch, weights in batches])
    np.testing.assert_array_equal(windows[:, 1:].ravel(), np.arange(1, 101))
    assert [weights.sum() for _, weights in batches] == [4, 4, 2]
    assert len(TokenWindows(stream.path, 10, 128, limit=3)) == 3


def test_a_token_outside_the_vocabulary_is_named(stream: TokenWindows) -> None:
    narrow = TokenWindows(stream.path, 10, 50)
    with pytest.raises(InputError, match=r"x.npy has the token \d+, outside the model's vocabulary of 50"):
        list(narrow.evaluation_batches(4))


# --- the standard library's text --------------------------------------------------------------------------------------


def test_the_corpus_is_the_librarys_text_split_by_file() -> None:
    found = corpus.read_corpus()
    names = [*found.train, *found.valid]
    assert {"ast.py", "json/decoder.py", "turtle.py"} <= set(names)
    assert len(names) == len(set(names))
    assert not any(part in name.split("/") for name in names for part in ("test", "tests", "site-packages"))
    assert found.train["turtle.py"] == Path(__import__("turtle").__file__).read_bytes().replace(b"\r\n", b"\n")
    sizes = [sum(map(len, part.values())) for part in (found.train, found.valid)]
    assert sizes[0] > 4 * sizes[1] > 1_000_000


def test_the_corpus_does_not_depend_on_where_it_is(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for name in ("b.py", "a/x.py", "a/test/no.py", "_sysconfigdata_x.py", "a.txt"):
            (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / name).write_bytes(f"# {name}\n".encode() * 100_000)
    one, two = (corpus.read_corpus(tmp_path / folder) for folder in ("one", "two"))
    assert one == two
    assert sorted([*one.train, *one.valid]) == ["a/x.py", "b.py"]
    (tmp_path / "two" / "b.py").write_bytes(b"# b.py\r\n" * 100_000)
    corpus._read_corpus.cache_clear()
    assert corpus.read_corpus(tmp_path / "two").fingerprint == one.fingerprint
    (tmp_path / "two" / "b.py").write_bytes(b"# c.py\n" * 100_000)
    corpus._read_corpus.cache_clear()
    assert corpus.read_corpus(tmp_path / "two").fingerprint != one.fingerprint


def test_a_python_without_its_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no source files of the standard library"):
        corpus.read_corpus(tmp_path)
    with pytest.raises(InputError, match="cannot read the standard library"):
        corpus.read_corpus(tmp_path / "python311.zip")


def test_windows_are_a_choice_of_pieces_of_the_text() -> None:
    texts = {"a": bytes(range(1, 100)) * 3, "b": "é".encode()}
    windows = corpus.windows(texts, 7, 20)
    assert windows.dtype == np.uint8
    whole = b"\0" + texts["a"] + b"\0" + bytes([corpus.SUBSTITUTE] * 2)
    pieces = [whole[i : i + 7] for i in range(0, len(whole) - 6, 7)]
    assert {window.tobytes() for window in windows} <= set(pieces)
    np.testing.assert_array_equal(windows, corpus.windows(texts, 7, 20))
    with pytest.raises(InputError, match="has 43 windows of 7 tokens, not 50"):
        corpus.windows(texts, 7, 50)


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_lines_become_pairs_of_what_follows_and_what_does_not() -> None:
    text = "".join(f"{chr(97 + i)} = {i % 10}\n\n" for i in range(20))
    files = line_pairs.lines_of({"one": text.encode(), "short": b"x\ny\n"})
    vocabulary = line_pairs.Vocabulary((line for file in files for line in file), words=40, buckets=4)
    pairs = line_pairs.line_pairs(files, vocabulary, 19, 12, seed=0)
    assert pairs["label"].sum() == 9
    assert vocabulary.size == 48
    order = [vocabulary.encode(line) for line in files[0]]
    for tokens, label in zip(pairs["tokens"].tolist(), pairs["label"], strict=True):
        ends = [line_pairs.SEP, line_pairs.PAD, line_pairs.PAD]  # each half has room for five, and a line has three
        assert (tokens[0], tokens[4:6], tokens[9:]) == (line_pairs.CLS, ends[:2], ends)
        first, second = order.index(tokens[1:4]), order.index(tokens[6:9])
        assert (second == first + 1) == label
        assert second != first
    anywhere = line_pairs.line_pairs([*files, ["zz"] * 40], vocabulary, 50, 12, seed=0, elsewhere=True)
    begins = anywhere["tokens"][:, [1, 6]] == vocabulary.encode("zz")[0]
    assert (begins[:, 0] == begins[:, 1])[anywhere["label"] == 1].all()
    assert (begins[:, 0] != begins[:, 1])[anywhere["label"] == 0].any()
    assert len(vocabulary.encode("unknown_name")) == 3
    assert max(vocabulary.encode("unknown")) >= 44  # a bucket


def write_mnli(folder: Path) -> None:
    rows = [
        {"sentence1": "a b", "sentence2": "c", "gold_label": "neutral", "genre": "x"},
        {"sentence1": "a", "sentence2": "a", "gold_label": "-"},
        {"premise": "b", "hypothesis": "c a", "label": 2},
    ]
    for split in ("train", "valid"):
        (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")


def letters(first: list[str], second: list[str], length: int) -> list[list[int]]:
    pairs = zip(first, second, strict=True)
    return [[1, *map(ord, a.replace(" ", "")), 2, *map(ord, b.replace(" ", "")), 2][:length] for a, b in pairs]


def test_pairs_of_sentences_are_cut_once_and_kept(tmp_path: Path) -> None:
    write_mnli(tmp_path)
    pairs = mnli.load_pairs(tmp_path, "train", 6, 128, letters)
    np.testing.assert_array_equal(pairs["tokens"], [[1, 97, 98, 2, 99, 2], [1, 98, 2, 99, 97, 2]])
    np.testing.assert_array_equal(pairs["label"], [1, 2])
    (tmp_path / "train.jsonl").unlink()
    again = mnli.load_pairs(tmp_path, "train", 6, 128)
    np.testing.assert_array_equal(again["tokens"], pairs["tokens"])


def test_the_models_own_tokenizer_cuts_the_sentences(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    words = {word: i for i, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "b", "c"])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(tmp_path / "model")
    write_mnli(tmp_path)
    pairs = mnli.load_pairs(tmp_path, "valid", 8, 7)
    np.testing.assert_array_equal(pairs["tokens"], [[1, 4, 5, 2, 6, 2, 0, 0], [1, 5, 2, 6, 4, 2, 0, 0]])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "train.jsonl").unlink(), "cannot read .*train.jsonl"),
        (lambda folder: (folder / "train.jsonl").write_text("\n{"), "train.jsonl, line 2: JSONDecodeError"),
        (lambda folder: (folder / "train.jsonl").write_text('{"sentence1": "a"}'), "line 1: KeyError.*gold_label"),
        (lambda folder: (folder / "train.jsonl").write_text('{"gold_label": "maybe"}'), "line 1: ValueError"),
        (lambda folder: (folder / "train.jsonl").write_text('{"label": -1}'), "has no labelled pairs"),
        (lambda folder: (folder / "train.npz").write_bytes(b"x"), "train.npz is not what was kept there"),
        (lambda folder: np.savez(folder / "train.npz", tokens=[[1]], label=[9]), "not pairs with labels"),
        (lambda folder: np.savez(folder / "train.npz", tokens=[[1]], label=[0]), r"\(1,\) tokens, not 6"),
        (lambda folder: np.savez(folder / "train.npz", tokens=[[999] * 6], label=[0]), "the token 999, the model has"),
    ],
)
def test_errors_of_pairs_say_what_to_do(tmp_path: Path, spoil: Any, message: str) -> None:
    write_mnli(tmp_path)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        mnli.load_pairs(tmp_path, "train", 6, 128, letters)


# --- AdamW ------------------------------------------------------------------------------------------------------------


def test_adamw_with_traced_settings_equals_optax() -> None:
    params = {"matrix": jnp.arange(6.0).reshape(2, 3), "bias": jnp.ones(3)}
    settings = {"beta1": 0.8, "beta2": 0.97, "weight_decay": 0.3}
    reference = optax.adamw(0.1, 0.8, 0.97, 1e-8, weight_decay=0.3, mask={"matrix": True, "bias": False})
    state, expected, other = adamw.start(params), params, reference.init(params)
    step = jax.jit(lambda state, gradient, rate, settings: adamw.update(state, gradient, rate, **settings))
    for i in range(4):
        gradient = jax.tree.map(lambda p, i=i: jnp.sin(p + i), params)
        state = step(state, gradient, 0.1, settings)
        updates, other = reference.update(gradient, other, expected)
        expected = optax.apply_updates(expected, updates)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), state.params, expected)
    assert state.updates == 4


def test_schedules_rise_stay_and_fall() -> None:
    at = jnp.arange(100)
    stable = np.asarray(jax.vmap(schedules.warmup_stable_decay, (0, None, None))(at, 100, 10))
    np.testing.assert_allclose(stable[:10], np.arange(1, 11) / 10, rtol=1e-6)
    np.testing.assert_allclose(stable[10:81], 1, rtol=1e-6)
    np.testing.assert_allclose(stable[80:], np.arange(20, 0, -1) / 20, rtol=1e-6)
    linear = np.asarray(jax.vmap(schedules.warmup_linear, (0, None, None))(at, 100, 20))
    np.testing.assert_allclose(linear[:20], np.arange(1, 21) / 20, rtol=1e-6)
    np.testing.assert_allclose(linear[20:], np.arange(80, 0, -1) / 80, rtol=1e-6)
    assert schedules.warmup_linear(jnp.int32(100), 100, 0) == 0 == schedules.warmup_stable_decay(jnp.int32(100), 100, 0)


# --- the tasks --------------------------------------------------------------------------------------------------------


def train_side_by_side(task: Task, configs: list[dict[str, Any]], steps: int) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """Train some trials together on one batch again and again; return the states, the losses and the metrics."""
    with jax.enable_x64(False):
        static = {name: configs[0][name] for name in task.static}
        traced = {name: jnp.array([c[name] for c in configs]) for name in configs[0] if name not in task.static}
        size = task.batch_size(configs[0])
        if isinstance(task.train, Arrays):
            batch = {name: jnp.asarray(array[:size]) for name, array in task.train.arrays.items()}
        else:
            batch = jax.tree.map(jnp.asarray, task.train.batch((0,), 0, 0, size))
        keys = jax.random.split(jax.random.key(0), len(configs))

        def train(config: Any, key: jax.Array) -> Any:
            config = {**static, **config}

            def step(state: Any, i: jax.Array) -> Any:
                return task.step(state, config, batch, jax.random.fold_in(key, i))

            state, losses = jax.lax.scan(step, task.init(config, key), jnp.arange(steps))
            return state, losses, task.evaluate(state, config, batch)

        state, losses, metrics = jax.device_get(jax.jit(jax.vmap(train))(traced, keys))
        return state, losses.T, metrics


@pytest.fixture(scope="module")
def llama_stdlib() -> LlamaStdlib:
    task = LlamaStdlib()
    task.model = Llama(corpus.ASCII, 32, 1, 2, 64, deviation=0.05)
    return task


def test_llama_stdlib_memorises_a_batch_in_each_lane(llama_stdlib: LlamaStdlib) -> None:
    config = {"beta1": 0.9, "beta2": 0.95, "warmup_steps": 3, "weight_decay": 0.01, "dropout": 0.0, "num_rounds": 4}
    _, losses, metrics = train_side_by_side(llama_stdlib, [{**config, "lr": lr} for lr in (0.01, 0.03, 0.0)], 40)
    assert np.isfinite(losses).all()
    assert losses[0] == pytest.approx(np.log(corpus.ASCII), abs=0.3)  # knowing nothing
    assert (losses[-1, :2] < losses[0, :2] - 1.5).all()
    assert losses[-1, 2] == pytest.approx(losses[0, 2])  # a learning rate of 0 leaves it where it was
    assert metrics["val_loss"].shape == (3, 8)


def test_parts_of_a_batch_give_the_gradient_of_the_whole(llama_stdlib: LlamaStdlib) -> None:
    config = {"lr": 0.01, "beta1": 0.9, "beta2": 0.95, "warmup_steps": 0, "weight_decay": 0.0, "dropout": 0.0}
    whole, _, _ = train_side_by_side(llama_stdlib, [config], 1)
    llama_stdlib.at_once = 2
    try:
        parts, _, _ = train_side_by_side(llama_stdlib, [config], 1)
    finally:
        del llama_stdlib.at_once
    # The moments are the gradient; sums in another order.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), whole.moments.mu, parts.moments.mu)


def test_llama_33m_streams_a_folder(tmp_path: Path) -> None:
    for name in ("train", "val"):
        write_tokens(tmp_path / f"{name}.npy", [np.arange(2_000) % 50_304], vocab_size=50_304)
    task = load("llama-33m", data=tmp_path)
    assert isinstance(task, Llama33M)
    check_task(task)
    config = configurations.sample(task.space, jax.random.key(0), 0)
    assert (task.batch_size(config), task.num_rounds(config), task.steps_per_round(config)) == (200, 20, 500)
    assert len(task.valid) == 3
    assert task.source == str(tmp_path.resolve())
    moved = load("llama-33m", data=shutil.copytree(tmp_path, tmp_path / "moved"))
    assert moved.settings == task.settings
    write_tokens(tmp_path / "moved" / "val.npy", [np.arange(2_000)[::-1]], vocab_size=50_304)
    other = load("llama-33m", data=tmp_path / "moved").settings
    assert [name for name in other if other[name] != task.settings[name]] == ["val"]
    shapes = jax.eval_shape(task.init, config, jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes.params)) == 33_479_040
    batch = {"tokens": jax.ShapeDtypeStruct((200, 513), jnp.int32)}
    after, loss = jax.eval_shape(lambda s, b, k: task.step(s, config, b, k), shapes, batch, jax.random.key(0))
    assert loss.shape == ()
    assert jax.tree.map(lambda a, b: (a.shape, a.dtype) == (b.shape, b.dtype), shapes, after)
    with pytest.raises(InputError, match=r"llama-33m needs the folder of its tokens"):
        load("llama-33m")
    with pytest.raises(InputError, match=r"has no train.npy"):
        load("llama-33m", data=tmp_path / "nowhere")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "nqjax" / "pretrained"


class Tiny(DebertaStdlib):
    width, depth, heads, hidden = 32, 1, 2, 64
    pretraining_pairs = 1_000
    encoder_dropout = 0.0


@pytest.fixture(scope="module")
def deberta_stdlib(cache: Path) -> DebertaStdlib:
    return Tiny(pretraining=2)


def test_pretraining_is_done_once(deberta_stdlib: DebertaStdlib, cache: Path, monkeypatch: Any) -> None:
    (kept,) = cache.iterdir()
    monkeypatch.setattr(deberta_pretraining, "_pretrain", lambda *_: pytest.fail("it pretrains again"))
    again = Tiny(pretraining=2)
    assert again.settings == deberta_stdlib.settings
    jax.tree.map(np.testing.assert_array_equal, again.pretrained, deberta_stdlib.pretrained)
    kept.write_bytes(b"broken")
    done = {"params": {"encoder": deberta_stdlib.pretrained}}
    monkeypatch.setattr(deberta_pretraining, "_pretrain", lambda *_: done)
    Tiny(pretraining=2)
    monkeypatch.setattr(deberta_pretraining, "_pretrain", lambda *_: pytest.fail("it pretrains again"))
    Tiny(pretraining=2)


def test_deberta_stdlib_memorises_a_batch_and_starts_from_the_encoder(deberta_stdlib: DebertaStdlib) -> None:
    task = deberta_stdlib
    check_task(task)
    config = {"batch_size": 8, "num_epochs": 1, "warmup_proportion": 0.1, "dropout": 0.0, "num_rounds": 1}
    state, losses, metrics = train_side_by_side(task, [{**config, "learning_rate": r} for r in (5e-3, 1e-2, 0.0)], 60)
    assert np.isfinite(losses).all()
    assert losses[0] == pytest.approx(np.log(2), abs=0.2)
    assert (losses[-1, :2] < 0.3).all()
    assert metrics["val_error"].shape == (3, 8)
    encoder = jax.tree.map(lambda leaf: leaf[2], state.adamw.params["params"]["encoder"])
    jax.tree.map(np.testing.assert_array_equal, encoder, task.pretrained)


def test_micro_batches_make_batches_of_every_size(deberta_stdlib: DebertaStdlib) -> None:
    task = deberta_stdlib
    sizes = (8, 11, 32)
    configs = [
        {"batch_size": b, "num_epochs": 1, "warmup_proportion": 0.0, "dropout": 0.0, "learning_rate": 1e-3}
        for b in sizes
    ]
    state, _, _ = train_side_by_side(task, configs, 16)
    np.testing.assert_array_equal(state.adamw.updates, [128 // b for b in sizes])
    # 11 has had 11 updates by 121 examples, of 16, 8, 8, 16, ... examples; 7 less than a step wait for none.
    np.testing.assert_array_equal(state.waiting, [0, 0, 0])
    np.testing.assert_array_equal(state.seen, 128)


def test_a_step_of_micro_batches_is_one_of_the_whole(deberta_stdlib: DebertaStdlib) -> None:
    config = {"batch_size": 16, "num_epochs": 1, "warmup_proportion": 0.0, "dropout": 0.0, "learning_rate": 1e-3}
    parts, whole = copy.copy(deberta_stdlib), copy.copy(deberta_stdlib)
    rows = {name: np.tile(array[:8], (2, *[1] * (array.ndim - 1))) for name, array in parts.train.arrays.items()}
    parts.train, whole.train = Arrays(**rows), Arrays(**rows)
    whole.micro_batch, whole.static = None, ("batch_size",)
    two, _, _ = train_side_by_side(parts, [config], 2)
    one, _, _ = train_side_by_side(whole, [config], 1)
    assert two.adamw.updates == one.adamw.updates == 1
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), two.adamw.moments.mu, one.adamw.moments.mu)


def test_the_learning_rate_rises_in_the_first_epoch_and_ends_at_nothing(deberta_stdlib: DebertaStdlib) -> None:
    config = {"batch_size": 16, "num_epochs": 3, "warmup_proportion": 0.5, "learning_rate": 1.0}
    rates = [float(deberta_stdlib.learning_rate(config, jnp.int32(i))) for i in (0, 31, 32, 191, 192)]
    assert rates == pytest.approx([1 / 32, 1, 1, 1 / 160, 0])


def test_deberta_mnli_loads_a_released_model(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    released = transformers.DebertaV2Config(
        vocab_size=128,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        relative_attention=True,
        position_buckets=8,
        share_att_key=True,
        pos_att_type="p2c|c2p",
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
    )
    transformers.DebertaV2Model(released).save_pretrained(tmp_path / "model")
    rng = np.random.default_rng(0)
    for split, count in (("train", 64), ("valid", 6)):
        tokens, label = rng.integers(3, 128, (count, 128)), rng.integers(0, 3, count)
        np.savez(tmp_path / f"{split}.npz", tokens=tokens, label=label)
    task = load("deberta-mnli", data=tmp_path, dtype="float32")
    assert isinstance(task, DebertaMNLI)
    check_task(task)
    assert task.source == str(tmp_path.resolve())
    assert [text.split(",")[0] for text in task.settings.values()][:2] == ["64 pairs", "6 pairs"]
    config = {"batch_size": 16, "num_epochs": 2, "warmup_proportion": 0.5, "dropout": 0.1, "learning_rate": 3e-3}
    assert (task.batch_size(config), task.num_rounds(config), task.steps_per_round(config)) == (16, 2, 4)
    state, losses, metrics = train_side_by_side(task, [config, config], 8)
    assert np.isfinite(losses).all()
    np.testing.assert_array_equal(state.adamw.updates, 8)
    assert metrics["val_error"].shape == (2, 16)
    with pytest.raises(InputError, match="deberta-mnli needs a folder"):
        load("deberta-mnli")
