"""Images in folders, streamed."""

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

from nqjax.errors import InputError, missing_extra
from nqjax.runtime.parallel import num_cores
from nqjax.search.data import fingerprint
from nqjax.search.sources import Batch

if TYPE_CHECKING:
    from PIL.Image import Image


#: Of ImageNet's training pixels, by channel, for values from 0 to 255.
MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


_ENDINGS = (".jpg", ".jpeg", ".png")


#: Of a random crop: its share of the image's area, its ratio of width to height, and how often one is tried.
_AREA, _RATIO, _TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10


#: Bytes of the batches that are read ahead.
_AHEAD = 2**30

#: The most threads that decode images.
_MOST_THREADS = 32


_Crop = tuple[float, float, float, float]


class ImageFolder:
    """Images in a folder for each class, as a `nqjax.search.sources.Stream`.

    Batches hold ``x`` of shape (images, size, size, 3), whole numbers from 0 to 255, and ``y``, the classes in the
    order of their folders' names. For training an image is a random crop (8 % to 100 % of the area, 3:4 to 4:3),
    resized, and mirrored every other time (Szegedy et al. 2015); for evaluation its shorter side is resized to 256/224
    of the size, and the middle is cut out. Images are decoded by a pool of threads, and the next batch of training is
    read ahead.

    Parameters
    ----------
    root : Path or str
        The folder that holds the splits.
    split : str
        The folder in it that holds one folder a class, such as "train".
    size : int
        The side of the images, in pixels.
    classes : sequence of str, optional
        The classes there must be; by default those that are there.

    Raises
    ------
    InputError
        For a folder that is missing or lacks images, naming it; and, from its methods, for a damaged image.
    """

    def __init__(self, root: Path | str, split: str, size: int = 224, classes: Sequence[str] | None = None) -> None:
        try:
            import PIL.Image  # noqa: F401 - to say so now rather than in a thread
        except ImportError:
            raise missing_extra("reading images", "Pillow", "search") from None
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
        """What there is: all names of classes and images, and the sizes of some files, but not where it lies."""
        start = len(str(self._folder)) + 1
        names = (path[start:].replace(os.sep, "/") for path in self.paths)
        sizes = (str(Path(self.paths[i]).stat().st_size) for i in fingerprint.evenly(len(self)))
        return f"{len(self):,} images in {len(self.classes):,} classes, {fingerprint.of_texts([*names, *sizes])}"

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return a batch for training: the images of a shuffled epoch in order, each cropped at random."""
        arguments = (words, round_index, step, batch_size)
        with self._lock:
            self._asked += 1
            futures = self._ahead.pop(arguments, (0, None))[1]
        index = self._index(*arguments)
        x = self._collect(futures or self._read_random(*arguments))
        if (step + 2) * batch_size <= len(self):  # the next round may never come
            self._read_ahead(words, round_index, step + 1, batch_size)
        return {"x": x, "y": self.labels[index]}

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield all images once, in order, and weights of 0 for what fills up the last batch."""
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
        """The images of a batch."""
        seed = (*words, round_index)
        with self._lock:
            order = self._orders.get(seed)
        if order is None:
            order = _generator(seed).permutation(len(self))
            with self._lock:
                self._orders[seed] = order
                if len(self._orders) > 64:
                    self._orders.popitem(last=False)
        return order[np.arange(step * batch_size, (step + 1) * batch_size) % len(self)]

    def _read_random(
        self, words: tuple[int, ...], round_index: int, step: int, batch_size: int
    ) -> list[Future[NDArray[np.uint8]]]:
        """Begin to read a batch for training."""
        index = self._index(words, round_index, step, batch_size)
        # Philox counts: numbers of one example do not depend on how many others there are.
        numbers = _generator((*words, round_index, step)).random((batch_size, 4 * _TRIES + 1))
        return [self._pool.submit(self._random, int(i), u) for i, u in zip(index, numbers, strict=True)]

    def _read_ahead(self, *arguments: Any) -> None:
        """Begin to read a batch that will be asked for, where there is room."""
        room = max(2, _AHEAD // (arguments[-1] * self.size**2 * 3))
        with self._lock:
            if len(self._ahead) >= room:
                oldest = next(iter(self._ahead))
                if self._asked - self._ahead[oldest][0] <= 4 * room:
                    return
                self._ahead.pop(oldest)  # of a trial that has failed: nobody will ask
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
            side = min(width, height) * 224 / 256
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
    """Return a random part of an image; where no try fits into it, the largest in the middle of a ratio allowed.

    Parameters
    ----------
    width, height : int
        Of the image, in pixels.
    numbers : ndarray, shape (tries, 4)
        Uniform in [0, 1).

    Returns
    -------
    left, top, right, bottom : float
        Edges in pixels.
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
    """The paths of a class, as text: there may be millions."""
    with os.scandir(folder) as entries:
        paths = sorted(entry.path for entry in entries if entry.name.lower().endswith(_ENDINGS))
    if not paths:
        raise InputError(f"the folder {folder} has no images: they must end in {', '.join(_ENDINGS)}")
    return paths


def _generator(words: tuple[int, ...]) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
