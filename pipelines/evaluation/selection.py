"""Which images are evaluated."""

from dataclasses import asdict, dataclass
from typing import Any

from pipelines.console import errors
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
        UserError: there is no such part, or none of its recorded images is there any more.
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
    if run and not parts[name]:
        raise UserError(
            f"none of the {name} images that {run.folder} recorded is in the data any more; restore them, or choose "
            "others with --data"
        )
    return parts[name], name


@dataclass(frozen=True)
class Recorded:
    """What a run recorded of a part of its data, against what is there now.

    Attributes:
        images: that were recorded.
        found: of these in the data, under their names.
        relabelled: of those found, with another class than then.
        new: images that the data have set aside for the test since.
    """

    images: int
    found: int
    relabelled: int
    new: int

    @property
    def differs(self) -> bool:
        """Whether the part is not what it was."""
        return self.found < self.images or self.relabelled > 0 or self.new > 0

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON can hold it."""
        return asdict(self)

    def __str__(self) -> str:
        """As in `of 24 recorded images, 23 are in the data`."""
        told = f"of {self.images:,} recorded images, {self.found:,} are in the data"
        if gone := self.images - self.found:
            told += f" and {gone:,} not, whose files were renamed, moved to another class or deleted"
        if self.relabelled:
            told += f"; {self.relabelled:,} have another class now"
        if self.new:
            told += f"; {self.new:,} of the data's test images were not recorded and are left out"
        return told


def recorded_part(source: Source, run: Run | None, part: str) -> Recorded | None:
    """What a run recorded of a part, against what is there now, and a line of it where they differ.

    Args:
        source: the data now.
        run: that was made with these data; None for other data.
        part: what is evaluated.

    Returns:
        None for other data, or a part that was not recorded.
    """
    recorded = {} if run is None else {name: label for name, label, own in run.split() if own == part}
    if not recorded:
        return None
    found = [sample for sample in source.samples if sample.name in recorded]
    aside = sum(sample.split == part for sample in source.samples) if part == "test" else 0
    result = Recorded(
        len(recorded),
        len(found),
        sum(recorded[sample.name] != source.class_names[sample.label] for sample in found),
        aside - sum(sample.split == part for sample in found) if aside else 0,
    )
    if result.differs:
        errors.print(f"the {part} images are not those of the training: {result}")
    return result
