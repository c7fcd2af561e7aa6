"""Mutated model files by the thousand: each loads to a valid model or raises `ModelFileError`, within time and memory.

    PYTHONPATH=.:tests python tests/formats/fuzz.py --count 10000

writes one sample of each kind with Keras, mutates it, loads what came out, and prints what happened. It ends with an
error at the first file that does anything else; `--only KIND --first NUMBER --count 1` repeats one.
"""

import argparse
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import scratchnet as sn
from scratchnet.formats.container import read_container, write_container

SECONDS = 10
SECONDS_TO_PREDICT = 300  # the first prediction of its kind compiles kernels
MEMORY = 1 << 30
HOSTILE: tuple[Any, ...] = (
    None, True, 0, -1, 2, 7, 2**31, 2**63, 10**30, 1e308, -0.5, float("nan"), "", "relu", "../../x", "Lambda", [], {},
    [[[]]], ["a", 0, 0], {"class_name": "Dense", "config": {}}, [10**9, 10**9],
)  # fmt: skip
PIECES = (b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\0\x40\0\0\0\0")


class Samples(NamedTuple):
    """Sound files, and a model that the weights belong to."""

    keras: bytes
    h5: bytes
    weights: bytes
    ours: bytes


def make_samples(folder: Path) -> Samples:
    """Save one small trained model in every format."""
    from oracle import keras

    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, name="b")(image))
    x = keras.layers.Add()([x, keras.layers.SeparableConv2D(4, 3, padding="same", activation="swish")(x)])
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(keras.layers.ReLU(6.0)(x)))
    inner = keras.Sequential([keras.Input((36,)), keras.layers.Dropout(0.2), keras.layers.Dense(3)])
    model = keras.Model(image, keras.layers.Softmax()(inner(x)))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.zeros((4, 8, 8, 3)), np.arange(4) % 3, verbose=0)
        for name in ("m.keras", "m.h5"):
            model.save(folder / name)
        model.save_weights(folder / "m.weights.h5")
    sn.load_model(folder / "m.keras").save(folder / "m.safetensors")
    return Samples(*((folder / f"m.{end}").read_bytes() for end in ("keras", "h5", "weights.h5", "safetensors")))


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Bytes with some bits turned, some replaced, or the end cut off."""
    changed = bytearray(data)
    kind = rng.random()
    if kind < 0.15:
        return bytes(changed[: rng.randrange(len(changed))])
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if kind < 0.6:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            changed[rng.randrange(len(changed))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        else:
            at = rng.randrange(max(1, len(changed) - 8))
            inside = rng.randrange(len(changed)).to_bytes(8, "little")
            changed[at : at + 8] = rng.choice((*PIECES, inside))
    return bytes(changed)


def changed_json(text: bytes, rng: random.Random) -> bytes:
    """A description in which one or two values are replaced, left out or doubled."""
    value = json.loads(text)
    for _ in range(rng.choice((1, 1, 2))):
        places = list(_places(value))
        holder, key = rng.choice(places)
        what = rng.random()
        if what < 0.7:
            holder[key] = rng.choice(HOSTILE)
        elif what < 0.85:
            del holder[key]
        elif isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[f"{key}_"] = holder[key]
        if not value:
            break
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _rezipped(data: bytes, name: str, change: Callable[[bytes, random.Random], bytes], rng: random.Random) -> bytes:
    target = io.BytesIO()
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", packing) as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(member, change(content, rng) if member == name else content)
    return target.getvalue()


def _ours_described_otherwise(data: bytes, rng: random.Random) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        path.write_bytes(data)
        arrays, meta = read_container(path, "")
        changed = json.loads(changed_json(json.dumps(meta).encode(), rng))
        write_container(path, arrays, changed if isinstance(changed, dict) else {})
        return path.read_bytes()


MUTATIONS: dict[str, Callable[[Samples, random.Random], bytes]] = {
    ".keras": lambda samples, rng: flipped(samples.keras, rng),
    ".keras config": lambda samples, rng: _rezipped(samples.keras, "config.json", changed_json, rng),
    ".keras weights": lambda samples, rng: _rezipped(samples.keras, "model.weights.h5", flipped, rng),
    ".h5": lambda samples, rng: flipped(samples.h5, rng),
    ".weights.h5": lambda samples, rng: flipped(samples.weights, rng),
    ".safetensors": lambda samples, rng: flipped(samples.ours, rng),
    ".safetensors description": lambda samples, rng: _ours_described_otherwise(samples.ours, rng),
}


class Hang(BaseException):
    """A file took too long; no `Exception`, so that nothing on the way takes it for one of the file's."""


@contextmanager
def within_seconds(seconds: int) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang(f"more than {seconds} seconds")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def check_valid(model: sn.Model) -> None:
    """A model that was loaded must be whole: it has values for its weights, a description, and predicts."""
    assert sum(weight.size for weight in model.weights) == model.count_params()
    json.dumps(model.get_config())
    shapes = [tensor.shape for node in model.nodes for tensor in (*node.inputs, *node.outputs)]
    sizes = [np.prod([float(size or 1) for size in shape]) for shape in shapes]
    if all(None not in tensor.shape[1:] for tensor in model.inputs) and max(sizes, default=0) < 1e5:
        model.predict([np.zeros((1, *tensor.shape[1:]), tensor.dtype) for tensor in model.inputs])


def try_file(path: Path, target: sn.Model) -> str:
    """Load a file: `loaded` or `refused`; anything else is raised."""
    try:
        with within_seconds(SECONDS):
            if path.name.endswith(".weights.h5"):
                target.load_weights(path)
                model = target
            else:
                model = sn.load_model(path)
        with within_seconds(SECONDS_TO_PREDICT):
            check_valid(model)
    except sn.ModelFileError as error:
        return "refused" if str(path) in str(error) else "refused without the file's name"
    return "loaded"


def peak_memory() -> int:
    """Of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(samples: Samples, kind: str, numbers: range, folder: Path) -> Counter[str]:
    """Load mutated files of one kind; what was loaded and what refused.

    Raises:
        AssertionError: a file did something else.
    """
    path = folder / f"case{kind.split()[0]}"
    path.write_bytes(samples.keras)
    target = sn.load_model(path)
    results: Counter[str] = Counter()
    before = peak_memory()
    for number in numbers:
        path.write_bytes(MUTATIONS[kind](samples, random.Random(f"{kind} {number}")))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results[try_file(path, target)] += 1
        except (Exception, Hang) as error:
            raise AssertionError(f"{kind} number {number}: {type(error).__name__}: {error}") from error
        grown = peak_memory() - before
        assert grown < MEMORY, f"{kind} number {number}: {grown >> 20} MB"
    assert results.keys() <= {"loaded", "refused"}, f"{kind}: {results}"
    return results


def _counted(results: Counter[str]) -> str:
    return f"{results['loaded']:6} loaded {results['refused']:6} refused"


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="files in all, spread evenly over the kinds")
    parser.add_argument("--first", type=int, default=0, help="the number of the first file of each kind")
    parser.add_argument("--only", choices=MUTATIONS, help="one kind alone")
    chosen = parser.parse_args()
    kinds = [chosen.only] if chosen.only else list(MUTATIONS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = make_samples(folder)
        before = peak_memory()
        total: Counter[str] = Counter()
        for position, kind in enumerate(kinds):
            share = chosen.count // len(kinds) + (position < chosen.count % len(kinds))
            start = time.process_time()
            results = fuzz(samples, kind, range(chosen.first, chosen.first + share), folder)
            seconds = time.process_time() - start
            total += results
            print(f"{kind:26} {_counted(results)} {seconds:7.1f} s", flush=True)
        print(f"{f'all {total.total():,} files':26} {_counted(total)}")
        print(f"peak memory {peak_memory() >> 20} MB, of which {before >> 20} MB are Keras and the samples")


if __name__ == "__main__":
    sys.exit(main())
