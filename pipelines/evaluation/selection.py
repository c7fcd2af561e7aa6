"""Which images are evaluated."""

from collections.abc import Sequence

from pipelines.data.sample import Sample, Source
from pipelines.errors import UserError
from pipelines.run import Run


def choose_samples(source: Source, split: str | None, run: Run | None) -> tuple[list[Sample], str]:
    """The samples to evaluate, and what they are called.

    What the run recorded of its own data goes before the data's splits, because a part of their training images may
    have been held back. Without `split` the test images are meant, and all images where none are set aside.

    Args:
        source: where the samples come from.
        split: `train`, `validation`, `test`, `all` or None.
        run: that was made with these data; None for other data.

    Raises:
        UserError: there is no such part.
    """
    parts: dict[str, list[Sample]] = {"all": list(source.samples)}
    for sample in source.samples:
        if sample.split != "all":
            parts.setdefault(sample.split, []).append(sample)
    for part in ("train", "validation", "test"):
        recorded = run.part_of(part) if run else set()
        if recorded:
            parts[part] = [sample for sample in source.samples if sample.name in recorded]
    name = split or ("test" if "test" in parts else "all")
    if name not in parts:
        raise UserError(f"the data have no {name} images; choose --split from {', '.join(sorted(parts))}")
    return parts[name], name


def seen_in_training(samples: Sequence[Sample], run: Run | None) -> int:
    """How many of the samples have the name of one that the run was trained on."""
    trained = run.part_of("train") if run else set()
    return sum(sample.name in trained for sample in samples)
