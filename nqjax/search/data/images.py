"""Images in folders, as a stream of batches."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.runtime.parallel import num_cores
from nqjax.search.data import fingerprint
from nqjax.search.sources import Batch

if TYPE_CHECKING:
    from PIL.Image import Image

#: The mean of ImageNet's training pixels by channel, for values from 0 to 255.
MEAN = (123.675, 116.28, 103.53)

#: Their standard deviation.
DEVIATION = (58.395, 57.12, 57.375)

_ENDINGS = (".jpg", ".jpeg", ".png")

#: Least and greatest share of the image's area in a random crop.
_AREA = (0.08, 1.0)

#: Least and greatest ratio of width to height of a random crop.
_RATIO = (3 / 4, 4 / 3)

#: Random crops that are tried before the middle of the image is taken.
_TRIES = 10

#: The middle that is evaluated is this share of the image's shorter side.
_MIDDLE = 224 / 256

#: Shuffled orders of epochs that are kept.
_MOST_ORDERS = 64

#: Bytes of the batches that are read ahead.
_AHEAD = 2**30

#: The most threads that decode images.
_MOST_THREADS = 32

_Crop = tuple[float, float, float, float]


class ImageFolder:
    """Images in one folder for each class, as a `nqjax.search.sources.Stream`.

    Batches have ``x`` of shape (images, size, size, 3), whole numbers from 0 to 255, and ``y``, the classes in the
    order of their folders' names. For training, a random crop of an image (8 % to 100 % of the area, 3:4 to 4:3) is
    resized, and mirrored with probability 1/2 (Szegedy et al. 2015). For evaluation, the shorter side is resized to
    256/224 of the size, and the middle is cut out. A pool of threads decodes images, and the next batch for training
    is read ahead.

    Parameters
    ----------
    root : Path or str
        The folder of the splits.
    split : str
        The folder in it that has one folder for each class, such as "train".
    size : int
        The side of the images, in pixels.
    classes : sequence of str, optional
        The classes that the folder must have; by default those that it has.

    Raises
    ------
    InputError
        If a folder is missing or has no images, or Pillow is not installed; methods raise it for a damaged image.
    """

    def __init__(self, root: Path | str, split: str, size: int = 224, classes: Sequence[str] | None = None) -> None:
        require("PIL.Image", "search", "reading images")  # here, so that no thread fails later
        self.size = size
        self._folder = folder = Path(root) / split
        self.classes = _classes(folder, classes)
        found = [_images(folder / name) for name in self.classes]
        self.paths = [path for paths in found for path in paths]
        self.labels = np.repeat(np.arange(len(found), dtype=np.int32), [len(paths) for paths in found])
        self._pool = ThreadPoolExecutor(min(num_cores(), _MOST_THREADS), "nqjax-images")
        self._lock = threading.Lock()
        self._ahead: collections.OrderedDict[tuple[Any, ...], tuple[int, list[Future[Any]]]] = collections.OrderedDict()
        self._orders: collections.OrderedDict[tuple[int, ...], NDArray[np.int64]] = collections.OrderedDict()
        self._asked = 0

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def fingerprint(self) -> str:
        """A digest of the names of all classes and images and of the sizes of some files; the root does not matter."""
        start = len(str(self._folder)) + 1
        names = (path[start:].replace(os.sep, "/") for path in self.paths)
        sizes = (str(Path(self.paths[i]).stat().st_size) for i in fingerprint.evenly(len(self)))
        return f"{len(self):,} images in {len(self.classes):,} classes, {fingerprint.of_texts([*names, *sizes])}"

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return a batch of a shuffled epoch for training, with each image cropped at random."""
        arguments = (words, round_index, step, batch_size)
        with self._lock:
            self._asked += 1
            futures = self._ahead.pop(arguments, (0, None))[1]
        index = self._index(*arguments)
        x = self._collect(futures or self._read_random(*arguments))
        if (step + 2) * batch_size <= len(self):  # not beyond the round: the trial may end with it
            self._read_ahead(words, round_index, step + 1, batch_size)
        return {"x": x, "y": self.labels[index]}

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield all images once, in order, and their weights, which are 0 for padding of the last batch."""
        starts = range(0, len(self), batch_size)
        indices = [np.arange(start, start + batch_size) for start in starts]

        def read(number: int) -> list[Future[Any]]:
            return [self._pool.submit(self._middle, int(i)) for i in indices[number] % len(self)]

        futures = read(0)
        for number, index in enumerate(indices):
            following = read(number + 1) if number + 1 < len(indices) else []
            x = self._collect(futures)
            yield {"x": x, "y": self.labels[index % len(self)]}, (index < len(self)).astype(np.float32)
            futures = following

    def _collect(self, futures: list[Future[Any]]) -> NDArray[np.uint8]:
        return np.stack([future.result() for future in futures])

    def _index(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> NDArray[np.int64]:
        """Return the indices of the images of a batch."""
        seed = (*words, round_index)
        with self._lock:
            order = self._orders.get(seed)
        if order is None:
            order = _generator(seed).permutation(len(self))
            with self._lock:
                self._orders[seed] = order
                if len(self._orders) > _MOST_ORDERS:
                    self._orders.popitem(last=False)
        return order[np.arange(step * batch_size, (step + 1) * batch_size) % len(self)]

    def _read_random(
        self, words: tuple[int, ...], round_index: int, step: int, batch_size: int
    ) -> list[Future[NDArray[np.uint8]]]:
        """Start to read a batch for training."""
        index = self._index(words, round_index, step, batch_size)
        # Philox is a counter, so the numbers of an image do not depend on the size of the batch.
        numbers = _generator((*words, round_index, step)).random((batch_size, 4 * _TRIES + 1))
        return [self._pool.submit(self._random, int(i), u) for i, u in zip(index, numbers, strict=True)]

    def _read_ahead(self, *arguments: Any) -> None:
        """Start to read the next batch, if few enough batches are being read ahead."""
        room = max(2, _AHEAD // (arguments[-1] * self.size**2 * 3))
        with self._lock:
            if len(self._ahead) >= room:
                oldest = next(iter(self._ahead))
                if self._asked - self._ahead[oldest][0] <= 4 * room:
                    return
                self._ahead.pop(oldest)  # its trial has failed, so it will not be used
        futures = self._read_random(*arguments)
        with self._lock:
            self._ahead[arguments] = self._asked, futures

    def _random(self, index: int, numbers: NDArray[np.float64]) -> NDArray[np.uint8]:
        def crop(width: int, height: int) -> _Crop:
            return random_crop(width, height, numbers[1:].reshape(_TRIES, 4))

        image = self._load(index, crop)
        return image[:, ::-1] if numbers[0] < 0.5 else image

    def _middle(self, index: int) -> NDArray[np.uint8]:
        def crop(width: int, height: int) -> _Crop:
            side = min(width, height) * _MIDDLE
            left, top = (width - side) / 2, (height - side) / 2
            return left, top, left + side, top + side

        return self._load(index, crop)

    def _load(self, index: int, crop: Callable[[int, int], _Crop]) -> NDArray[np.uint8]:
        from PIL import Image

        path = self.paths[index]
        try:
            with Image.open(path) as file:
                image: Image.Image = file.convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
            raise InputError(f"the image {path} cannot be read ({error}): replace or remove it") from error
        size = (self.size, self.size)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, crop(image.width, image.height)))


def random_crop(width: int, height: int, numbers: NDArray[np.float64]) -> _Crop:
    """Return a random part of an image, or, if no try fits into the image, the largest part with an allowed ratio.

    Parameters
    ----------
    width, height : int
        The size of the image, in pixels.
    numbers : ndarray, shape (tries, 4)
        Random numbers, uniform in [0, 1).

    Returns
    -------
    left, top, right, bottom : float
        The edges, in pixels.
    """
    for area, ratio, left, top in numbers:
        pixels = width * height * (_AREA[0] + (_AREA[1] - _AREA[0]) * area)
        shape = _RATIO[0] * (_RATIO[1] / _RATIO[0]) ** ratio
        w, h = round((pixels * shape) ** 0.5), round((pixels / shape) ** 0.5)
        if 0 < w <= width and 0 < h <= height:
            x, y = int(left * (width - w + 1)), int(top * (height - h + 1))
            return x, y, x + w, y + h
    widest, highest = min(width, height * _RATIO[1]), min(height, width / _RATIO[0])
    return (width - widest) / 2, (height - highest) / 2, (width + widest) / 2, (height + highest) / 2


def _classes(folder: Path, wanted: Sequence[str] | None) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: give one with train/<class>/*.jpg and val/<class>/*.jpg")
    found = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))
    if not found:
        raise InputError(f"the folder {folder} has no folders of classes: give one with {folder.name}/<class>/*.jpg")
    if wanted is not None and found != list(wanted):
        odd = min(set(found) ^ set(wanted))
        where = "there, but not among the classes for training" if odd in found else "missing"
        raise InputError(f"the folder {folder / odd} is {where}: the splits must have the same classes")
    return found


def _images(folder: Path) -> list[str]:
    """Return the paths of a class's images, as text because there may be millions."""
    with os.scandir(folder) as entries:
        paths = sorted(entry.path for entry in entries if entry.name.lower().endswith(_ENDINGS))
    if not paths:
        raise InputError(f"the folder {folder} has no images: they must end in {', '.join(_ENDINGS)}")
    return paths


def _generator(words: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
