"""Some of a source's classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipelines.data.class_names import match_class
from pipelines.data.errors import DataError
from pipelines.data.sample import LeftOut, Sample, Source


class ChosenClasses:
    """A `Source` of the samples of some classes of another one, as if there were no others.

    Args:
        source: with all its classes.
        class_names: those that are wanted, in label order; `surprised` finds a class `surprise`.
        every: whether all of them must be there, as for a training.

    Attributes:
        class_names: As given.
        samples: Those of the classes, with labels to match.
        skipped: As in `source`.
        left_out: As in `source`, and the images of other classes.

    Raises:
        DataError: The source lacks one of them that must be there, or all of them.
    """

    def __init__(self, source: Source, class_names: Sequence[str], *, every: bool = True) -> None:
        """Look the classes up; no image is read."""
        self.class_names = tuple(class_names)
        self._source = source
        labels: dict[int, int] = {}
        for label, name in enumerate(self.class_names):
            found = match_class(name, source.class_names)
            if found is None and not every:
                continue
            if found is None:
                raise DataError(
                    f"the data have no class {name!r}, only {', '.join(source.class_names)}; choose among them with "
                    "--set 'data.classes=[...]', or take all with --set data.classes=none"
                )
            labels[source.class_names.index(found)] = label
        if not labels:
            raise DataError(f"the data have none of the classes {', '.join(class_names)}, only those of others")
        self._originals = {sample.name: sample for sample in source.samples if sample.label in labels}
        self.samples = tuple(replace(sample, label=labels[sample.label]) for sample in self._originals.values())
        self.skipped = source.skipped
        others = Counter(sample.label for sample in source.samples if sample.label not in labels)
        told = ", ".join(f"{source.class_names[label]} {others[label]:,}" for label in sorted(others))
        kind = f"images of {len(others)} classes that are not asked for ({told})"
        self.left_out = (*source.left_out, *([LeftOut(others.total(), kind)] if others else []))

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        """Decode one image, as `source` does."""
        return self._source.read(self._originals.get(sample.name, sample))
