"""Embeddings in a plane: HOPE vectors, trustworthiness by its definition, and refusals."""

import sys

import numpy as np
import pytest

import nqjax
from nqjax.cli import main
from nqjax.errors import InputError
from nqjax.landscape.embedding import hope_vectors, trustworthiness


@pytest.fixture
def land():
    x, y = np.indices((9, 8)).reshape(2, -1)
    return nqjax.Landscape({"x": x, "y": y}, (x - 3.1) ** 2 + (y - 4.2) ** 2)


def test_vectors_give_the_numbers_of_paths():
    """The inner products of both halves are the best approximation of their rank."""
    index = np.indices((6, 5, 4)).reshape(3, -1)
    land = nqjax.Landscape(dict(zip("abc", index, strict=True)), np.random.default_rng(0).normal(size=120))
    count = len(land)
    step = np.zeros((count, count))
    start, end = land.graph.edges()
    for a, b in [*zip(start, end, strict=True), *zip(end, start, strict=True)]:
        step[a, b] = land.heights.rank[b] < land.heights.rank[a]
    paths = step @ step
    vectors = hope_vectors(land.graph, land.heights)
    left, right = vectors[:, :16], vectors[:, 16:]
    size = np.linalg.svd(paths, compute_uv=False)
    error = np.linalg.norm(left @ right.T - paths)
    assert error == pytest.approx(np.sqrt(np.sum(size[16:] ** 2)), rel=1e-6)


def test_trustworthiness_by_its_definition(land):
    points = np.random.default_rng(0).normal(size=(len(land), 2))
    codes = land.space.codes.T
    count, nearest, penalty = len(land), 15, 0
    for i in range(count):
        steps = np.abs(codes - codes[i]).sum(axis=1)
        near = np.argsort(np.linalg.norm(points - points[i], axis=1))[1 : nearest + 1]
        penalty += sum(max(0, np.sum(steps < steps[j]) - nearest) for j in near)
    expected = 1 - 2 / (count * nearest * (2 * count - 3 * nearest - 1)) * penalty
    assert trustworthiness(land.space, points) == pytest.approx(expected)
    assert trustworthiness(land.space, codes.astype(float)) > 0.97 > expected


def test_the_main_directions_and_any_points(land):
    found = nqjax.embed_landscape(land, method="svd")
    assert found.points.shape == (72, 2)
    assert found.points.tolist() == nqjax.embed_landscape(land, method="svd").points.tolist()
    axes = nqjax.plots.embedding(land, land.space.codes.T).ax
    assert axes.collections[0].get_offsets().shape == (72, 2)
    assert f"{trustworthiness(land.space, land.space.codes.T.astype(float)):.2f}" in axes.get_title()
    for points in (land.space.codes, "x", np.full((72, 2), np.nan), [[1, "a"]]):
        with pytest.raises(InputError, match="two for each configuration"):
            nqjax.plots.embedding(land, points)


def test_umap(land, tmp_path, capsys):
    pytest.importorskip("umap")
    index = np.indices((6, 6, 6, 4)).reshape(4, -1)
    large = nqjax.Landscape(dict(zip("abcd", index, strict=True)), np.random.default_rng(0).normal(size=864))
    found = nqjax.embed_landscape(large)
    assert found.trustworthiness > 0.8
    path = tmp_path / "grid.csv"
    path.write_text("\n".join(["x,y,loss", *(f"{i},{j},{(i - 3) ** 2 + j}" for i in range(9) for j in range(8))]))
    picture = tmp_path / "plane.png"
    assert main(["landscape", str(path), "--metric", "loss", "--embedding", str(picture)]) == 0
    assert "Trustworthiness of the embedding: 0." in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_has_no_embedding(land, tmp_path, capsys, monkeypatch):
    rng = np.random.default_rng(0)
    sample = nqjax.Landscape({"x": rng.random(50), "y": rng.random(50)}, rng.random(50))
    with pytest.raises(InputError, match="needs a grid"):
        nqjax.embed_landscape(sample, method="svd")
    flat = nqjax.Landscape({"x": np.arange(30)}, np.zeros(30))
    with pytest.raises(InputError, match="no two moves"):
        nqjax.embed_landscape(flat, method="svd")
    for method in ("pca", None, 3):
        with pytest.raises(InputError, match="'umap' or 'svd'"):
            nqjax.embed_landscape(land, method=method)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match="umap-learn"):
        nqjax.embed_landscape(land)
    path = tmp_path / "grid.csv"
    path.write_text("x,y,loss\n1,1,1\n1,2,3\n2,1,2\n2,2,5\n")
    assert main(["landscape", str(path), "--embedding", str(tmp_path / "plane.png"), "--metric", "loss"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
