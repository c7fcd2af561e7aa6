"""What models might say of images, for tests of evaluations."""

import numpy as np

from pipelines.evaluation import Predictions


def predictions_from(rows: list[tuple[int, list[float]]], class_names: tuple[str, ...] | None = None) -> Predictions:
    """Predictions from (label, probabilities) of each image; the classes are a, b, c... by default."""
    classes = class_names or tuple("abcdefgh"[: len(rows[0][1])])
    return Predictions(
        tuple(f"{classes[label]}/{number}.png" for number, (label, _) in enumerate(rows)),
        np.array([label for label, _ in rows], np.int64),
        np.array([row for _, row in rows], np.float64),
        classes,
    )


def random_predictions(
    seed: int, images: int = 60, classes: int = 4, absent: tuple[int, ...] = (), class_names: tuple[str, ...] = ()
) -> Predictions:
    """Predictions that are better than chance, in float32 as models give them, with some ties.

    Args:
        seed: other predictions.
        images: how many.
        classes: how many.
        absent: labels that no image has.
        class_names: a, b, c... by default.
    """
    rng = np.random.default_rng(seed)
    labels = rng.choice([label for label in range(classes) if label not in absent], images)
    logits = rng.normal(0, 1, (images, classes)).round(1).astype(np.float32)
    logits[np.arange(images), labels] += 1
    powers = np.exp(logits)
    rows = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float64)
    names = class_names or tuple(f"class {label}" for label in range(classes))
    return Predictions(tuple(f"{number}.png" for number in range(images)), labels.astype(np.int64), rows, names)
