"""The language models: against transformers with the same random weights, their sizes, and released weights."""

import functools
import json
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search.models.deberta import Classifier, Encoder, Pretrainer, by_distance, position_index
from nqjax.search.models.deberta_released import load_encoder
from nqjax.search.models.llama import Llama, hidden_width
from nqjax.search.models.weights import read_safetensors

VOCABULARY = 97
WIDTH = 48
DEPTH = 3
HEADS = 4
HIDDEN = 80


def count(model: Any, *inputs: Any) -> int:
    shapes = jax.eval_shape(model.init, jax.random.key(0), *inputs)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def start(model: Any, *inputs: Any) -> Any:
    return jax.jit(model.init)(jax.random.key(0), *inputs)


@functools.cache
def compiled(model: Any) -> Any:
    return jax.jit(model.apply)


def run(model: Any, *inputs: Any) -> Any:
    return compiled(model)(*inputs)  # one compilation is quicker than those of single operations


@pytest.fixture(scope="module")
def transformers() -> Any:
    pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is its own business
        module = pytest.importorskip("transformers")
        module.utils.logging.disable_progress_bar()
        return module


def tokens(length: int, texts: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCABULARY, (texts, length))


# --- Llama ------------------------------------------------------------------------------------------------------------


def llama_params(state: Any, tied: bool) -> dict[str, Any]:
    """The parameters of `Llama` from a LlamaForCausalLM: ours keeps what reads the same features in one matrix."""
    w = {name: tensor.numpy() for name, tensor in state.items()}
    params = {
        "embed": {"embedding": w["model.embed_tokens.weight"]},
        "norm": {"scale": w["model.norm.weight"]},
    }
    if not tied:
        params["head"] = {"kernel": w["lm_head.weight"].T}
    for i in range(DEPTH):
        at = f"model.layers.{i}."
        joint = [w[f"{at}self_attn.{part}_proj.weight"].T for part in "qkv"]
        gate_up = [w[f"{at}mlp.{part}_proj.weight"].T for part in ("gate", "up")]
        params[f"attention_norm_{i}"] = {"scale": w[f"{at}input_layernorm.weight"]}
        params[f"feed_forward_norm_{i}"] = {"scale": w[f"{at}post_attention_layernorm.weight"]}
        params[f"attention_{i}"] = {
            "query_key_value": {"kernel": np.concatenate(joint, 1)},
            "out": {"kernel": w[f"{at}self_attn.o_proj.weight"].T},
        }
        params[f"feed_forward_{i}"] = {
            "gate_up": {"kernel": np.concatenate(gate_up, 1)},
            "down": {"kernel": w[f"{at}mlp.down_proj.weight"].T},
        }
    return params


@pytest.mark.parametrize("tied", [True, False])
def test_llama_equals_the_reference(transformers: Any, tied: bool) -> None:
    import torch

    torch.manual_seed(0)
    reference = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=HIDDEN,
            num_hidden_layers=DEPTH,
            num_attention_heads=HEADS,
            num_key_value_heads=HEADS,
            max_position_embeddings=64,
            rms_norm_eps=1e-5,
            tie_word_embeddings=tied,
            initializer_range=0.1,
            attn_implementation="eager",
        )
    ).eval()
    for name, parameter in reference.named_parameters():
        if "norm" in name:
            parameter.data = 1 + 0.3 * torch.randn_like(parameter)
    with torch.no_grad():
        expected = reference(torch.tensor(tokens(40))).logits.numpy()
    model = Llama(VOCABULARY, WIDTH, DEPTH, HEADS, HIDDEN, tied=tied)
    logits = run(model, {"params": llama_params(reference.state_dict(), tied)}, jnp.asarray(tokens(40)))
    assert np.abs(expected).max() > 1  # or the tolerance would say little
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_llama_33m_counts() -> None:
    width, depth, vocabulary = 384, 8, 50_304
    hidden = hidden_width(width, 256)
    per_layer = 4 * width**2 + 3 * width * hidden + 2 * width
    expected = vocabulary * width + depth * per_layer + width
    model = Llama(vocabulary, width, depth, 6, hidden)
    assert hidden == 1024
    assert count(model, jnp.zeros((1, 8), int)) == expected == 33_479_040
    assert count(model.clone(tied=False), jnp.zeros((1, 8), int)) == expected + vocabulary * width == 52_795_776


def test_llama_cannot_see_what_follows() -> None:
    model = Llama(VOCABULARY, WIDTH, 1, HEADS, HIDDEN, deviation=0.2)
    x = tokens(12)
    params = start(model, x)
    changed = x.copy()
    changed[:, 7:] = (changed[:, 7:] + 1) % VOCABULARY
    before, after = (np.asarray(run(model, params, text)) for text in (x, changed))
    np.testing.assert_allclose(before[:, :7], after[:, :7], rtol=0, atol=1e-6)
    assert np.all(np.abs(before[:, 7] - after[:, 7]).max(-1) > 1e-3)


def test_llama_drops_out_by_key_and_computes_in_bfloat16() -> None:
    model = Llama(VOCABULARY, WIDTH, DEPTH, HEADS, HIDDEN)
    x = tokens(12)
    params = start(model, x)
    plain = run(model, params, x)
    np.testing.assert_array_equal(run(model, params, x, 0.0, jax.random.key(1)), plain)
    dropped = [np.asarray(run(model, params, x, 0.5, jax.random.key(seed))) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(dropped[0], dropped[1])
    assert np.abs(dropped[0] - dropped[2]).max() > 1e-3
    half = run(model.clone(dtype=jnp.bfloat16), params, x)
    assert half.dtype == jnp.float32
    # bfloat16 keeps 8 bits: some per cent of logits that are of order 0.1 here.
    np.testing.assert_allclose(half, plain, atol=0.02)


# --- DeBERTa ----------------------------------------------------------------------------------------------------------

BUCKETS = {"few": (8, 20), "many": (32, 64)}


def deberta_config(transformers: Any, buckets: int, farthest: int, **options: Any) -> Any:
    return transformers.DebertaV2Config(
        **{
            "vocab_size": VOCABULARY,
            "hidden_size": WIDTH,
            "num_hidden_layers": DEPTH,
            "num_attention_heads": HEADS,
            "intermediate_size": HIDDEN,
            "max_position_embeddings": 64,
            "relative_attention": True,
            "position_buckets": buckets,
            "max_relative_positions": farthest,
            "share_att_key": True,
            "pos_att_type": "p2c|c2p",
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
            "num_labels": 3,
            "initializer_range": 0.15,
            **options,
        }
    )


def classifier_of(transformers: Any, config: Any) -> Any:
    import torch

    torch.manual_seed(0)
    model = transformers.DebertaV2ForSequenceClassification(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 1:  # scales of 1 and biases of 0 would hide mistakes
            parameter.data += 0.2 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("name", BUCKETS)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_deberta_equals_the_reference_from_its_files(transformers: Any, tmp_path: Any, name: str, file: str) -> None:
    import torch

    reference = classifier_of(transformers, deberta_config(transformers, *BUCKETS[name]))
    if file == "model.safetensors":
        reference.save_pretrained(tmp_path)
    else:
        reference.config.save_pretrained(tmp_path)
        torch.save(reference.state_dict(), tmp_path / file)
    encoder, params = load_encoder(tmp_path)
    assert (encoder.buckets, encoder.farthest) == BUCKETS[name]
    w = {key: tensor.numpy() for key, tensor in reference.state_dict().items()}
    heads = {
        ours: {"kernel": w[f"{theirs}.weight"].T, "bias": w[f"{theirs}.bias"]}
        for ours, theirs in (("pooler", "pooler.dense"), ("classifier", "classifier"))
    }
    x = tokens(40)
    mask = np.arange(40) < np.array([40, 20, 3, 1, 37])[:, None]
    with torch.no_grad():
        expected = reference(torch.tensor(x), attention_mask=torch.tensor(mask.astype(int))).logits.numpy()
    logits = run(Classifier(encoder, 3), {"params": {"encoder": params, **heads}}, x, mask)
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_deberta_base_counts(transformers: Any) -> None:
    import torch

    sizes = {"vocab_size": 128_100, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    config = deberta_config(transformers, 256, -1, **sizes, intermediate_size=3072, max_position_embeddings=512)
    with torch.device("meta"):
        reference = transformers.DebertaV2Model(config)
    x = jnp.zeros((1, 8), int)
    ours = count(Encoder(128_100, 768, 12, 12, 3072), x, x == 0)
    assert ours == sum(parameter.numel() for parameter in reference.parameters()) == 183_831_552


@pytest.mark.parametrize(("buckets", "farthest"), [(256, 512), (8, 20), (32, 64), (0, 16)])
def test_positions_are_in_the_reference_buckets(transformers: Any, buckets: int, farthest: int) -> None:
    import torch
    from transformers.models.deberta_v2 import modeling_deberta_v2 as reference

    query = torch.zeros(1, 700, 4)
    expected = reference.build_relative_position(query, query, buckets or -1, farthest)[0].numpy()
    span = buckets or farthest
    rows = np.clip(expected + span, 0, 2 * span - 1)
    index = position_index(700, buckets, farthest)
    for row in (0, 1, 350, 699):
        np.testing.assert_array_equal(index[699 - row : 1399 - row], rows[row])


@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_by_distance_shifts_each_row(length: int) -> None:
    x = np.random.default_rng(0).normal(size=(2, length, 2 * length - 1)).astype(np.float32)
    i, j = np.indices((length, length))
    np.testing.assert_array_equal(by_distance(jnp.asarray(x)), x[:, i, length - 1 + j - i])


def test_padding_changes_nothing() -> None:
    model = Classifier(Encoder(VOCABULARY, WIDTH, 2, HEADS, HIDDEN, 8, 20), 2)
    x, mask = tokens(10), np.ones((5, 10), bool)
    params = start(model, x, mask)
    longer = np.concatenate([x, tokens(6)], 1)
    mask_longer = np.concatenate([mask, np.zeros((5, 6), bool)], 1)
    np.testing.assert_allclose(run(model, params, longer, mask_longer), run(model, params, x, mask), atol=1e-6)


def test_pretraining_has_logits_of_tokens_and_classes() -> None:
    model = Pretrainer(Encoder(VOCABULARY, WIDTH, 1, HEADS, HIDDEN, 8, 20), 2)
    x = tokens(10)
    words, classes = run(model, start(model, x, x >= 0), x, x >= 0)
    assert (words.shape, classes.shape) == ((5, 10, VOCABULARY), (5, 2))
    assert np.isfinite(words).all()


def test_models_train_side_by_side_as_they_do_alone() -> None:
    decoder = Llama(VOCABULARY, WIDTH, 1, HEADS, HIDDEN)
    encoder = Classifier(Encoder(VOCABULARY, WIDTH, 1, HEADS, HIDDEN, 8, 20), 2)
    x = tokens(10)
    for model, inputs in ((decoder, (x,)), (encoder, (x, x > 5))):

        def gradient(params: Any, key: jax.Array, model: Any = model, inputs: Any = inputs) -> Any:
            return jax.grad(lambda p: jnp.sum(jnp.square(model.apply(p, *inputs, 0.1, key))))(params)

        params = start(model, *inputs)
        many = jax.tree.map(lambda p: p * jnp.arange(1.0, 4.0).reshape(3, *[1] * p.ndim), params)
        keys = jax.random.split(jax.random.key(0), 3)
        together = jax.jit(jax.vmap(gradient))(many, keys)
        alone = jax.jit(gradient)(jax.tree.map(lambda p: p[1], many), keys[1])
        # Sums of some hundred products in another order.
        jax.tree.map(lambda t, a: np.testing.assert_allclose(t[1], a, rtol=1e-3, atol=1e-3), together, alone)


# --- folders of released weights --------------------------------------------------------------------------------------


@pytest.fixture
def released(transformers: Any, tmp_path: Any) -> Any:
    classifier_of(transformers, deberta_config(transformers, 8, 20)).deberta.save_pretrained(tmp_path)
    return tmp_path


def test_an_encoder_without_prefix_loads(released: Any) -> None:
    encoder, params = load_encoder(released, dtype=jnp.bfloat16)
    shapes: Any = jax.eval_shape(encoder.init, jax.random.key(0), tokens(4), tokens(4) > 0)["params"]
    assert encoder.dtype == jnp.bfloat16
    assert jax.tree.map(np.shape, params) == jax.tree.map(lambda leaf: leaf.shape, shapes)


def edit(folder: Any, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json.*give the folder of a released model"),
        (lambda folder: (folder / "config.json").write_text("{"), "is not JSON"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has no weights.*model.safetensors or pytorch_model"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"1234567890"), "not a whole safetensors file"),
        (lambda folder: edit(folder, hidden_size=64), r"has the shape \(97, 48\), its config.json says \(97, 64\)"),
        (lambda folder: edit(folder, num_hidden_layers=4), "lack encoder.layer.3"),
        (lambda folder: edit(folder, conv_kernel_size=3), "conv_kernel_size = 3"),
        (lambda folder: edit(folder, share_att_key=False), "share_att_key = False"),
        (lambda folder: edit(folder, pos_att_type="c2p"), "pos_att_type"),
    ],
)
def test_errors_say_what_is_wrong_with_a_folder(released: Any, spoil: Any, message: str) -> None:
    spoil(released)
    with pytest.raises(InputError, match=message):
        load_encoder(released)


def test_weights_in_several_files_or_broken_ones_are_refused(released: Any) -> None:
    whole = (released / "model.safetensors").read_bytes()
    (released / "model.safetensors").write_bytes(whole[:-8])
    with pytest.raises(InputError, match="ends too early"):
        load_encoder(released)
    (released / "model.safetensors").unlink()
    (released / "pytorch_model.bin").write_bytes(b"no weights")
    with pytest.raises(InputError, match="is not a file of weights"):
        load_encoder(released)
    (released / "pytorch_model.bin").unlink()
    (released / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(InputError, match="several files"):
        load_encoder(released)


def test_safetensors_of_all_kinds(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    kinds = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    tensors = {kind: torch.arange(6).reshape(2, 3).to(getattr(torch, kind)) for kind in kinds}
    save({**tensors, "scalar": torch.tensor(2.0), "empty": torch.zeros(0, 3)}, tmp_path / "x.safetensors")
    read = read_safetensors(tmp_path / "x.safetensors")
    for kind in kinds:
        expected = np.arange(6).reshape(2, 3) if kind != "bool" else np.arange(6).reshape(2, 3) > 0
        assert str(read[kind].dtype) == kind
        np.testing.assert_array_equal(read[kind].astype(float), expected)
    assert read["scalar"] == 2
    assert read["empty"].shape == (0, 3)
