"""The audit of a run's images, which is kept in the run folder, since looking at all of them takes a while."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.console import progress
from pipelines.curation.audit import audit
from pipelines.curation.audit_report import write_audit
from pipelines.curation.scan import scan
from pipelines.data.errors import DataError
from pipelines.data.sample import LeftOut, Sample, Source
from pipelines.errors import UserError
from pipelines.files import write_json
from pipelines.lock import WRITING_SECONDS, folder_lock
from pipelines.parsing import Count, Share, Told, checked, read_json
from pipelines.report.blocks import Block
from pipelines.report.material import RunMaterial
from pipelines.report.pictures import embed_file
from pipelines.report.wording import readable

FOLDER = "audit"


@dataclass(frozen=True)
class _RunSource:
    """A source with a run's images alone, in the parts of the run."""

    class_names: tuple[str, ...]
    samples: Sequence[Sample]
    skipped: Sequence[tuple[str, str]]
    left_out: Sequence[LeftOut]
    inner: Source

    def read(self, sample: Sample) -> NDArray[np.uint8]:
        return self.inner.read(sample)


class LeakEntry(Told):
    """How much of one part another one knows already."""

    split: str
    other: str
    exact: Count
    near: Count


class BrokenEntry(Told):
    """An image that cannot be read."""

    name: str
    split: str
    reason: str


class GroupLists(Told):
    """Images that are copies of one another."""

    exact: list[Any]
    near: list[Any]


class AuditFile(Told):
    """What `audit.json` holds, as far as a report shows it."""

    leaks: list[LeakEntry]
    exact_copies: Count
    exact_copies_within: dict[str, Count]
    conflicting_groups: dict[str, Count]
    groups: GroupLists
    near_likeness: Share
    blank: list[Any]
    nearly_blank: list[Any]
    broken: list[BrokenEntry]


def audit_of(run: RunMaterial) -> Mapping[str, Any] | str:
    """The findings as in `audit.json`; or why there are none, as a sentence.

    What an earlier report found in the same images is taken from the run folder.
    """
    folder = run.run.folder / FOLDER
    kept = _kept(folder, run)
    if kept is not None:
        return kept
    data = run.data
    if data.source is None:
        return f"The data have not been audited, because they are not there: {data.fault}."
    given = data.source
    source = _RunSource(tuple(given.class_names), data.samples, given.skipped, given.left_out, given)
    try:
        with progress(f"auditing the images of {run.label}") as advance:
            found = audit(scan(source, progress=advance))
    except DataError as error:
        return f"The data have not been audited: {readable(str(error))}."
    with folder_lock(folder, WRITING_SECONDS):
        write_audit(found, source, str(run.config["data"]), folder)
        # after the findings, so that they are whole if it is there
        write_json(folder / "of.json", {"split": _key(run)})
    result: dict[str, Any] = read_json(folder / "audit.json")
    return result


def broken_names(run: RunMaterial) -> set[str]:
    """The images that cannot be read, of those that have been audited."""
    found = audit_of(run)
    return set() if isinstance(found, str) else {entry["name"] for entry in found["broken"]}


def audit_picture(run: RunMaterial) -> list[Block]:
    """Copies whose labels contradict each other, and near duplicates, as the audit drew them."""
    shown = {
        "conflicting_copies.png": (
            "Groups of images with equal pixels and different labels, each with its part and class below",
            "Equal images with different labels: whatever a network answers, it is wrong about one of them.",
        ),
        "near_duplicates.png": (
            "Groups of images that are nearly the same, each with its part and class below",
            "Near duplicates, which a perceptual hash suggests and a look at their pixels confirms.",
        ),
    }
    paths = {name: run.run.folder / FOLDER / name for name in shown}
    return [embed_file(paths[name], *words) for name, words in shown.items() if paths[name].exists()]


def _kept(folder: Path, run: RunMaterial) -> Mapping[str, Any] | None:
    try:
        if read_json(folder / "of.json") != {"split": _key(run)}:
            return None
        content: dict[str, Any] = read_json(folder / "audit.json")
        checked(content, AuditFile, folder / "audit.json")
    except (OSError, UserError):  # another audit costs no more than time
        return None
    return content


def _key(run: RunMaterial) -> str:
    # which images, in which parts, of which data
    digest = hashlib.sha256(str(run.config["data"]).encode("utf-8", "surrogateescape"))
    for entry in run.split:
        digest.update("\0".join(entry).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
