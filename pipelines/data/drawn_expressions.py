"""What faces do when they feel something, in the terms of the Facial Action Coding System (Ekman & Friesen, 1978).

Each number says how far a group of muscles moves: 0 is at rest, 1 is a strong movement, below 0 is the opposite one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from pipelines.data.drawn_canvas import Dice


@dataclass(frozen=True, slots=True)
class Actions:
    """The movements of one face; AU is the number of the action unit."""

    brows_up: float = 0.0  # AU 1+2; below 0 the brows are lowered, AU 4
    inner_brows_up: float = 0.0  # AU 1; below 0 they slant towards the nose
    brows_together: float = 0.0  # AU 4
    brow_furrow: float = 0.0  # upright lines between the brows
    forehead_lines: float = 0.0
    upper_lids_up: float = 0.0  # AU 5; below 0 the lids are lowered
    lower_lids_up: float = 0.0  # AU 6 and 7
    lids_droop: float = 0.0  # the outer corners of the eyes sink
    nose_wrinkle: float = 0.0  # AU 9
    mouth_corners_up: float = 0.0  # AU 12; below 0 AU 15
    mouth_wide: float = 0.0  # AU 20; below 0 the mouth is narrow
    jaw_drop: float = 0.0  # AU 26 and 27
    mouth_round: float = 0.0
    mouth_square: float = 0.0
    upper_lip_up: float = 0.0  # AU 10
    lips_pressed: float = 0.0  # AU 24
    upper_teeth: float = 0.0
    lower_teeth: float = 0.0
    mouth_folds: float = 0.0  # the lines from the nose to the corners of the mouth
    cheeks_up: float = 0.0  # AU 6
    chin_up: float = 0.0  # AU 17


# every expression has several common forms; a face shows one of them
EXPRESSIONS: dict[str, Sequence[Actions]] = {
    "angry": (
        Actions(
            brows_up=-0.9, inner_brows_up=-1.0, brows_together=0.9, brow_furrow=1.0, upper_lids_up=0.3,
            lower_lids_up=0.5, lips_pressed=1.0, mouth_corners_up=-0.35, mouth_wide=-0.1, chin_up=0.4,
        ),
        Actions(
            brows_up=-0.9, inner_brows_up=-1.0, brows_together=0.9, brow_furrow=1.0, upper_lids_up=0.5,
            lower_lids_up=0.4, mouth_square=1.0, jaw_drop=0.5, upper_teeth=0.8, lower_teeth=0.6, mouth_folds=0.5,
            mouth_corners_up=-0.2, upper_lip_up=0.3,
        ),
    ),
    "disgust": (
        Actions(
            brows_up=-0.6, inner_brows_up=-0.3, brows_together=0.4, upper_lids_up=-0.45, lower_lids_up=0.8,
            nose_wrinkle=1.0, upper_lip_up=1.0, upper_teeth=0.6, mouth_corners_up=-0.5, mouth_folds=1.0,
        ),
        Actions(
            brows_up=-0.5, inner_brows_up=-0.3, brows_together=0.4, upper_lids_up=-0.5, lower_lids_up=0.7,
            nose_wrinkle=1.0, upper_lip_up=0.45, mouth_corners_up=-0.8, mouth_folds=0.9, chin_up=0.8,
        ),
    ),
    "fear": (
        Actions(
            brows_up=0.6, inner_brows_up=0.8, brows_together=0.7, forehead_lines=0.6, upper_lids_up=1.0,
            mouth_wide=0.5, jaw_drop=0.4, mouth_square=0.7, lower_teeth=0.8, mouth_corners_up=-0.4,
        ),
        Actions(
            brows_up=0.7, inner_brows_up=0.9, brows_together=0.7, forehead_lines=0.7, upper_lids_up=1.0,
            mouth_wide=0.6, jaw_drop=0.15, upper_teeth=0.7, mouth_square=0.6, mouth_corners_up=-0.5,
        ),
    ),
    "happy": (
        Actions(
            mouth_corners_up=1.0, mouth_wide=0.5, jaw_drop=0.4, upper_teeth=1.0, cheeks_up=0.9, lower_lids_up=0.7,
            upper_lids_up=-0.2, mouth_folds=0.7, brows_up=0.1,
        ),
        Actions(
            mouth_corners_up=1.0, mouth_wide=0.4, cheeks_up=0.7, lower_lids_up=0.5, upper_lids_up=-0.1,
            mouth_folds=0.6,
        ),
    ),
    "neutral": (Actions(),),
    "sad": (
        Actions(
            inner_brows_up=1.1, brows_together=0.4, forehead_lines=0.3, upper_lids_up=-0.4, lids_droop=1.0,
            mouth_corners_up=-1.0, mouth_wide=-0.1, chin_up=1.0,
        ),
        Actions(
            inner_brows_up=1.0, brows_together=0.5, upper_lids_up=-0.75, lids_droop=0.8, lower_lids_up=0.2,
            mouth_corners_up=-0.9, jaw_drop=0.12, mouth_folds=0.4, chin_up=0.4,
        ),
    ),
    "surprise": (
        Actions(
            brows_up=1.2, forehead_lines=0.9, upper_lids_up=0.9, jaw_drop=1.0, mouth_round=1.0, mouth_wide=-0.4,
        ),
        Actions(
            brows_up=1.2, forehead_lines=0.7, upper_lids_up=0.8, jaw_drop=0.45, mouth_round=1.0, mouth_wide=-0.7,
        ),
    ),
}  # fmt: skip

CLASS_NAMES = tuple(sorted(EXPRESSIONS))
_NAMES = tuple(entry.name for entry in fields(Actions))


def act(expression: str, dice: Dice) -> Actions:
    """One person's way to show an expression: one of its forms, more or less intense, no muscle exactly on the mark."""
    form = dice.choice(EXPRESSIONS[expression])
    intensity = dice.between(0.6, 1.2)
    # a resting face is never quite at rest
    return Actions(*(getattr(form, name) * intensity * dice.between(0.75, 1.25) + dice.near(0.09) for name in _NAMES))
