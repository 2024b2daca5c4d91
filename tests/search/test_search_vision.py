"""The image models: convolutions against Flax's, networks against PyTorch's, counts against the published ones."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.search.models.alexnet import AlexNet
from nqjax.search.models.convnext import ConvNeXt
from nqjax.search.models.convolution import Conv
from nqjax.search.models.pooling import blur_pool, max_pool
from nqjax.search.models.resnet import ResNet

# Logits are sums of thousands of float32 products that each side adds in its own order: 1e-5 of the largest logit
# is some 100 ulps.
LOGITS = 1e-5


def relative(actual, expected):
    expected = np.asarray(expected, np.float64)
    return np.abs(np.asarray(actual, np.float64) - expected).max() / np.abs(expected).max()


def randomised(tree, seed=0):
    """Weights about as large as trained ones, none of them 0 or 1 by initialisation."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        name = path[-1].key
        if leaf.ndim > 1:
            return (rng.normal(size=leaf.shape) / math.sqrt(math.prod(leaf.shape[:-1]))).astype(np.float32)
        centre = 1.0 if name in ("scale", "var") else 0.0
        return (centre + rng.uniform(-0.3, 0.3, leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, tree)


def shapes(model, size, channels=3):
    x = jax.ShapeDtypeStruct((1, size, size, channels), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), x)


@pytest.mark.parametrize(
    ("model", "published"),
    [(ResNet(), 11_689_512), (ResNet(blur=True), 11_689_512), (AlexNet(), 61_100_840), (ConvNeXt(), 28_589_128)],
    ids=["ResNet18", "ResNet18 with blur pooling", "AlexNet", "ConvNeXt-T"],
)
def test_published_parameter_counts(model, published):
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes(model, 224)["params"])) == published


CONVOLUTIONS = [
    # window, strides, padding, depthwise, size
    ((3, 3), (1, 1), 1, False, (8, 8)),
    ((3, 3), (2, 2), 1, False, (7, 8)),
    ((1, 1), (2, 2), 0, False, (8, 8)),
    ((2, 2), (2, 2), "VALID", False, (8, 7)),
    ((5, 3), (2, 1), "SAME", False, (9, 6)),
    ((4, 3), (1, 1), "SAME", True, (5, 7)),  # a whole image a channel: even windows pad unevenly
    ((7, 7), (1, 1), 3, True, (2, 2)),
    ((7, 7), (1, 1), 3, True, (8, 8)),
    ((3, 3), (1, 1), 0, True, (6, 5)),
    ((7, 7), (1, 1), 3, True, (9, 9)),  # shifted slices
    ((3, 3), (2, 2), 1, True, (8, 8)),
]


@pytest.mark.parametrize(("window", "strides", "padding", "depthwise", "size"), CONVOLUTIONS)
def test_convolution_is_that_of_flax(window, strides, padding, depthwise, size, x64):
    x = jax.random.normal(jax.random.key(1), (3, *size, 4))
    features, groups = (4, 4) if depthwise else (6, 1)
    ours = Conv(features, window, strides, padding, depthwise, method="matmul")
    theirs = nn.Conv(features, window, strides, padding, feature_group_count=groups)
    wanted = jax.eval_shape(theirs.init, jax.random.key(0), x)
    assert jax.eval_shape(ours.init, jax.random.key(0), x) == wanted
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), wanted)

    @jax.jit
    def both(variables, x):
        def energy(variables, x, module):
            y = module.apply(variables, x)
            return jnp.sin(y).sum(), y

        return [jax.grad(energy, (0, 1), has_aux=True)(variables, x, module) for module in (ours, theirs)]

    # Double precision, sums of at most 49 x 4 terms.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12), *both(variables, x))


def test_convolution_by_lax_is_the_same():
    x = jax.random.normal(jax.random.key(1), (2, 6, 6, 4))
    for depthwise in (False, True):
        results = []
        for method in ("matmul", "lax"):
            module = Conv(4, (3, 3), padding=1, depthwise=depthwise, method=method)
            results.append(module.apply(module.init(jax.random.key(0), x), x))
        # Single precision, sums of at most 36 terms.
        np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-5)


def test_convolutions_of_many_trials_are_those_of_each(x64):
    x = jax.random.normal(jax.random.key(0), (3, 2, 6, 6, 4))
    for depthwise in (False, True):
        ours = Conv(4, (3, 3), padding=1, depthwise=depthwise, method="matmul")
        variables = jax.vmap(ours.init)(jax.random.split(jax.random.key(1), 3), x)
        together, apply = jax.jit(jax.vmap(ours.apply))(variables, x), jax.jit(ours.apply)
        for i in range(3):
            one = apply(jax.tree.map(lambda leaf, i=i: leaf[i], variables), x[i])
            np.testing.assert_allclose(together[i], one, rtol=1e-12, atol=1e-12)


def test_a_depthwise_kernel_has_to_fit():
    with pytest.raises(ValueError, match="does not fit 4 channels"):
        Conv(6, (3, 3), depthwise=True).init(jax.random.key(0), jnp.zeros((1, 5, 5, 4)))


def test_max_pool_and_its_gradient_are_those_of_lax():
    x = jax.random.normal(jax.random.key(0), (2, 7, 9, 3))
    for window, stride, pad in [(3, 2, 1), (2, 2, 0), (3, 1, 1)]:
        results = [
            jax.value_and_grad(lambda x, m=m: jnp.sin(max_pool(x, window, stride, pad, m)).sum())(x)  # noqa: B023
            for m in ("matmul", "lax")
        ]
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *results)


def test_blur_pool_takes_away_what_would_alias():
    stripes = jnp.tile(jnp.array([1.0, -1.0]), 4)
    for image in (stripes[None, :, None, None], stripes[None, None, :, None]):
        np.testing.assert_array_equal(blur_pool(jnp.broadcast_to(image, (1, 8, 8, 1))), 0)
    np.testing.assert_array_equal(blur_pool(jnp.ones((1, 5, 8, 2)), 2), jnp.ones((1, 3, 4, 2)))


def torch_blur(torch, channels):
    """Zhang's filter as a convolution of PyTorch."""
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    blur = torch.nn.Conv2d(
        channels, channels, 3, stride=2, padding=1, padding_mode="reflect", groups=channels, bias=False
    )
    blur.weight.data = torch.outer(line, line).expand(channels, 1, 3, 3).clone()
    return blur


def torch_resnet(torch, stages, widths, classes, small, blur):
    """The reference: its modules are in the order in which ours name them, blurs aside."""
    from torch import nn as tnn

    class Block(tnn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            blurred = blur and stride > 1
            step = 1 if blurred else stride
            self.conv1, self.norm1 = tnn.Conv2d(inputs, width, 3, step, 1, bias=False), tnn.BatchNorm2d(width)
            self.blur = torch_blur(torch, width) if blurred else tnn.Identity()
            self.conv2, self.norm2 = tnn.Conv2d(width, width, 3, 1, 1, bias=False), tnn.BatchNorm2d(width)
            self.before = torch_blur(torch, inputs) if blurred else tnn.Identity()
            self.shortcut = self.shortcut_norm = tnn.Identity()
            if stride > 1 or inputs != width:
                self.shortcut = tnn.Conv2d(inputs, width, 1, step, bias=False)
                self.shortcut_norm = tnn.BatchNorm2d(width)

        def forward(self, x):
            y = self.blur(torch.relu(self.norm1(self.conv1(x))))
            y = self.norm2(self.conv2(y))
            return torch.relu(y + self.shortcut_norm(self.shortcut(self.before(x))))

    class Net(tnn.Module):
        def __init__(self):
            super().__init__()
            self.stem = tnn.Conv2d(3, widths[0], 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False)
            self.stem_norm = tnn.BatchNorm2d(widths[0])
            self.pool = tnn.Identity()
            if not small:
                pools = [tnn.MaxPool2d(3, 1, 1), torch_blur(torch, widths[0])] if blur else [tnn.MaxPool2d(3, 2, 1)]
                self.pool = tnn.Sequential(*pools)
            inputs = widths[0]
            self.blocks = []
            for stage, (blocks, width) in enumerate(zip(stages, widths, strict=True)):
                for block in range(blocks):
                    made = Block(inputs, width, 2 if stage > 0 and block == 0 else 1)
                    setattr(self, f"stage{stage}_block{block}", made)
                    self.blocks.append(made)
                    inputs = width
            self.head = tnn.Linear(inputs, classes)

        def forward(self, x):
            x = self.pool(torch.relu(self.stem_norm(self.stem(x))))
            for block in self.blocks:
                x = block(x)
            return self.head(x.mean((2, 3)))

    return Net()


def load(torch, model, variables):
    """Give a PyTorch module our weights, by name: NHWC to NCHW, (in, out) to (out, in)."""
    names = {"kernel": "weight", "scale": "weight", "mean": "running_mean", "var": "running_var"}
    wanted = dict(model.state_dict())
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
        *parts, name = [key.key for key in path][1:]
        tensor = torch.tensor(np.asarray(leaf))
        tensor = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.T if tensor.ndim == 2 else tensor
        target = ".".join([*parts, names.get(name, name)])
        assert wanted.pop(target).shape == tensor.shape
        model.state_dict()[target].copy_(tensor)
    assert all("blur" in name or "before" in name or "pool" in name or "tracked" in name for name in wanted)


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize(
    ("stages", "widths", "small"), [((2, 2, 2, 2), (64, 128, 256, 512), False), ((1, 2), (8, 12), True)]
)
def test_resnet_equals_pytorch(stages, widths, small, blur):
    torch = pytest.importorskip("torch")
    model = ResNet(stages, widths, 20, small, blur, method=None if small else "lax")
    images = np.random.default_rng(1).normal(size=(4, *((8, 8) if small else (64, 48)), 3)).astype(np.float32)
    variables = randomised(shapes(model, 64))
    reference = torch_resnet(torch, stages, widths, 20, small, blur)
    load(torch, reference, variables)
    x = torch.tensor(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = reference.eval()(x)
        expected_train = reference.train()(x)
    assert relative(jax.jit(model.apply)(variables, images), expected) < LOGITS
    train = jax.jit(lambda variables, x: model.apply(variables, x, train=True, mutable=["batch_stats"]))
    logits, changed = train(variables, images)
    # Batch norm divides by deviations of few numbers (4 images of 2 x 2 pixels in the last stage), sixteen times over.
    assert relative(logits, expected_train) < 2 * LOGITS
    stem = reference.stem_norm
    moved = changed["batch_stats"]["stem_norm"]
    assert relative(moved["mean"], stem.running_mean) < LOGITS
    # PyTorch's running variance is the unbiased one, Flax's is not.
    count = 4 * (64 if small else 32 * 24)
    old = variables["batch_stats"]["stem_norm"]["var"]
    assert relative((moved["var"] - 0.9 * old) * count / (count - 1) + 0.9 * old, stem.running_var) < LOGITS


@pytest.mark.parametrize("small", [False, True])
def test_alexnet_equals_pytorch(small):
    torch = pytest.importorskip("torch")
    tnn = torch.nn
    widths, hidden, size = ((8, 12, 16, 12, 8), (24, 20), 8) if small else ((64, 192, 384, 256, 256), (512, 256), 224)
    model = AlexNet(widths, hidden, 15, small, method=None if small else "lax")
    variables = randomised(shapes(model, size))
    inputs, features = 3, []
    for layer, width in enumerate(widths):
        window, stride, pad = ((11, 4, 2), (5, 1, 2), *[(3, 1, 1)] * 3)[layer] if not small else (3, 1, 1)
        features += [tnn.Conv2d(inputs, width, window, stride, pad), tnn.ReLU()]
        if layer in ((1, 4) if small else (0, 1, 4)):
            features.append(tnn.MaxPool2d(2, 2) if small else tnn.MaxPool2d(3, 2))
        inputs = width
    side = 2 if small else 6
    dense = [tnn.Flatten(), tnn.Linear(widths[-1] * side**2, hidden[0]), tnn.ReLU()]
    dense += [tnn.Linear(*hidden), tnn.ReLU(), tnn.Linear(hidden[1], 15)]
    reference = tnn.Sequential(*features, *dense)
    names = [*(f"conv{i}" for i in range(5)), "hidden0", "hidden1", "head"]
    with torch.no_grad():
        layers = [layer for layer in reference if hasattr(layer, "weight")]
        for name, layer in zip(names, layers, strict=True):
            kernel, bias = (torch.tensor(variables["params"][name][part]) for part in ("kernel", "bias"))
            if name == "hidden0":  # PyTorch flattens channels first
                kernel = kernel.reshape(side, side, widths[-1], -1).permute(2, 0, 1, 3).reshape(kernel.shape)
            layer.weight.copy_(kernel.permute(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T)
            layer.bias.copy_(bias)
        images = np.random.default_rng(1).normal(size=(2, size, size, 3)).astype(np.float32)
        expected = reference(torch.tensor(images).permute(0, 3, 1, 2))
    assert relative(jax.jit(model.apply)(variables, images), expected) < LOGITS


def test_convnext_equals_transformers():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    depths, widths = (2, 1, 3), (16, 24, 32)
    settings = transformers.ConvNextConfig(
        num_stages=3, depths=depths, hidden_sizes=widths, num_labels=11, layer_norm_eps=1e-6, layer_scale_init_value=0.1
    )
    reference = transformers.ConvNextForImageClassification(settings).eval()
    model = ConvNeXt(depths, widths, 11)
    variables = randomised(shapes(model, 64))
    renamed = {"stem": "embeddings.patch_embeddings", "stem_norm": "embeddings.layernorm", "head_norm": "layernorm"}
    inner = {"depthwise": "dwconv", "norm": "layernorm", "dense1": "pwconv1", "dense2": "pwconv2"}
    state = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(variables["params"]):
        module, *rest, name = [key.key for key in path]
        tensor = torch.tensor(leaf)
        tensor = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor.T if tensor.ndim == 2 else tensor
        name = {"kernel": "weight", "scale": "weight"}.get(name, name)
        if module == "head":
            target = f"classifier.{name}"
        elif module in renamed:
            target = f"convnext.{renamed[module]}.{name}"
        else:
            stage, part = module.removeprefix("stage").split("_")
            target = f"convnext.encoder.stages.{stage}."
            if part.isdigit():
                target += f"layers.{part}." + (f"{inner[rest[0]]}.{name}" if rest else "layer_scale_parameter")
            else:
                target += f"downsampling_layer.{['norm', 'down'].index(part)}.{name}"
        state[target] = tensor
    reference.load_state_dict(state)
    images = np.random.default_rng(1).normal(size=(2, 64, 64, 3)).astype(np.float32)
    with torch.no_grad():
        expected = reference(torch.tensor(images).permute(0, 3, 1, 2)).logits
    assert relative(jax.jit(model.apply)(variables, images), expected) < LOGITS


def test_stochastic_depth_leaves_out_branches_and_keeps_their_mean():
    model = ConvNeXt((1, 1), (4, 6), 3, patch=1, kernel=3, layer_scale=1.0, deviation=0.5)
    x = jax.random.normal(jax.random.key(0), (1, 4, 4, 1))
    variables = model.init(jax.random.key(1), x)
    images, apply = jnp.repeat(x, 4000, 0), jax.jit(model.apply)
    # At a rate of 0 nothing is left out.
    whole = apply(variables, images, 0.0, jax.random.key(2))
    np.testing.assert_allclose(whole, apply(variables, images), rtol=1e-5, atol=1e-6)
    # Only the last of the two blocks is left out, so that there are two different logits, one of them in 3 of 10.
    logits = np.asarray(apply(variables, images, 0.3, jax.random.key(2)))[:, 0]
    low, high = logits.min(), logits.max()
    near = np.minimum(abs(logits - low), abs(logits - high)) < 1e-5
    assert near.all()
    share = np.mean(abs(logits - low) < 1e-5)
    # Binomial: 6 standard errors of 4,000 draws.
    assert min(abs(share - 0.3), abs(share - 0.7)) < 6 * math.sqrt(0.3 * 0.7 / 4000)
