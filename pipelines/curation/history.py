"""What can be taken back: for each face its labels that still count, and for each tab the steps it took."""

from collections.abc import Sequence

from pipelines.curation.journal import Key, Mark, Record


class History:
    """The journal's records in the light of those that took others back.

    Args:
        records: The journal's, which grow; `follow` is told of each new one.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self._taken_back: dict[str, Key] = {}
        # the labels of each face that were not taken back, and what it was before all of them
        self._live: dict[Key, list[tuple[int, Mark]]] = {}
        self._before: dict[Key, Mark] = {}
        for record in records:
            self.follow(record)

    def follow(self, record: Record) -> None:
        """Take note of a record that the journal has."""
        if record.undoes is not None:
            undone = self._records[record.undoes - 1]
            key = undone.labels[0].key
            self._live[key] = [entry for entry in self._live[key] if entry[0] != undone.number]
            self._taken_back[record.action] = key
            return
        for label in record.labels:
            if not self._live.get(label.key):
                self._before[label.key] = label.was
            self._live.setdefault(label.key, []).append((record.number, label.mark))

    def steps(self, by: str) -> list[Record]:
        """What a tab or command did and did not take back, the latest last."""
        undone = {record.undoes for record in self._records if record.by == by}
        return [
            record
            for record in self._records
            if record.by == by and record.undoes is None and record.number not in undone
        ]

    def mark_without(self, record: Record) -> Mark | None:
        """What the face of a record of one label would be without it; None if a later label has replaced it."""
        key = record.labels[0].key
        live = self._live[key]
        if live[-1][0] != record.number:
            return None
        return live[-2][1] if len(live) > 1 else self._before[key]

    def taken_back(self, action: str) -> Key | None:
        """The face whose label an action took back; None if it is no such action."""
        return self._taken_back.get(action)
