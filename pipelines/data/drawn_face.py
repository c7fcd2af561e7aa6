"""One face, from head to lips, drawn from the movements of its muscles."""

from dataclasses import dataclass

import numpy as np

from pipelines.data.drawn_canvas import Canvas, Colour, Dice, Points, mix
from pipelines.data.drawn_expressions import Actions

BLACK: Colour = (12.0, 10.0, 10.0)
WHITE: Colour = (245.0, 243.0, 238.0)
SKINS: tuple[Colour, ...] = (
    (248, 220, 198), (232, 190, 160), (212, 165, 130), (178, 126, 92), (135, 90, 64), (92, 60, 44), (62, 42, 34),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = ((18, 14, 14), (52, 34, 24), (96, 64, 38), (150, 105, 60), (214, 180, 120), (190, 188, 186))

_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_ROUND = np.stack((np.cos(_TURN), np.sin(_TURN)), axis=1)
_SIDE = np.linspace(-1, 1, 11)  # from the left end of a curve to the right one
_BULGE = 1 - _SIDE**2
_ALMOND = np.sqrt(_BULGE)
_ALONG = np.linspace(0, 1, 6)


@dataclass(frozen=True, slots=True)
class Looks:
    """What a person looks like at rest; lengths in face units, in which the head is 2 high."""

    skin: Colour
    hair: Colour
    width: float  # of half the face
    jaw: float  # exponent of the lower face's outline: small is square, large is pointed
    eye_distance: float
    eye_size: float
    eye_height: float
    brow_width: float
    nose: float
    mouth_height: float
    mouth_width: float
    lips: float
    line: float  # width of the lines

    @classmethod
    def of(cls, dice: Dice) -> "Looks":
        """Some person."""
        skin = mix(dice.choice(SKINS), dice.choice(SKINS), dice.between(0, 0.4))
        return cls(
            skin=skin,
            hair=mix(dice.choice(HAIRS), BLACK, dice.between(0, 0.4)),
            width=dice.between(0.66, 0.86),
            jaw=dice.between(0.42, 0.68),
            eye_distance=dice.between(0.29, 0.37),
            eye_size=dice.between(0.14, 0.185),
            eye_height=dice.between(-0.17, -0.09),
            brow_width=dice.between(0.035, 0.085),
            nose=dice.between(0.28, 0.42),
            mouth_height=dice.between(0.5, 0.56),
            mouth_width=dice.between(0.24, 0.33),
            lips=dice.between(0.6, 1.3),
            line=dice.between(0.02, 0.04),
        )

    @property
    def shade(self) -> Colour:
        """The skin in shadow, for lines."""
        return mix(self.skin, BLACK, 0.5)


def draw_face(canvas: Canvas, looks: Looks, actions: Actions, dice: Dice) -> None:
    """Draw one face with all that belongs to it, from back to front."""
    hair_style = dice.choice(("bald", "short", "short", "fringe", "long"))
    _draw_head(canvas, looks, actions, hair_style, dice)
    _draw_wrinkles(canvas, looks, actions)
    for side in (-1, 1):
        _draw_eye(canvas, looks, actions, side, dice)
        _draw_brow(canvas, looks, actions, side, dice)
    _draw_nose(canvas, looks, actions)
    if dice.chance(0.12):
        _draw_beard(canvas, looks, actions)
    _draw_mouth(canvas, looks, actions, dice)
    if dice.chance(0.12):
        _draw_glasses(canvas, looks, dice)
    if dice.chance(0.1):
        _draw_occlusion(canvas, dice)


def _curve(x: Points, y: Points | float) -> Points:
    points = np.empty((len(x), 2))  # np.stack takes three times as long
    points[:, 0] = x
    points[:, 1] = y
    return points


def _ellipse(x: float, y: float, width: float, height: float) -> Points:
    return _ROUND * (width, height) + (x, y)


def _outline(looks: Looks, actions: Actions) -> Points:
    # an ellipse above; below, the cheeks stay wider and the chin follows the jaw
    x, y = _ROUND[:, 0], _ROUND[:, 1]
    below = np.maximum(y, 0)
    width = np.where(y > 0, np.sign(x) * np.abs(x) ** (looks.jaw * 2), x)
    return _curve(width * looks.width, y + 0.14 * max(actions.jaw_drop, 0) * below)


def _draw_head(canvas: Canvas, looks: Looks, actions: Actions, hair_style: str, dice: Dice) -> None:
    clothes: Colour = (dice.between(20, 230), dice.between(20, 230), dice.between(20, 230))
    canvas.fill(_ellipse(0, 1.85, 1.25, 0.75), clothes)
    canvas.fill(np.array([[-0.36, 0.6], [0.36, 0.6], [0.42, 1.4], [-0.42, 1.4]]), mix(looks.skin, BLACK, 0.2))
    if hair_style == "long":
        canvas.fill(_ellipse(0, 0.05, looks.width + 0.22, 1.3), looks.hair)
    for side in (-1, 1):
        canvas.fill(_ellipse(side * looks.width, 0.02, 0.1, 0.2), mix(looks.skin, BLACK, 0.1))
    outline = _outline(looks, actions)
    canvas.fill(outline, looks.skin)
    canvas.line(np.concatenate((outline, outline[:1])), mix(looks.skin, BLACK, 0.3), looks.line)
    if hair_style != "bald":
        hairline = dice.between(-0.78, -0.6) + (0.1 if hair_style == "fringe" else 0.0)
        parting = dice.near(0.6)
        cap = _curve(_SIDE * (looks.width + 0.03), -0.35 - 0.75 * _ALMOND)
        edge = _curve(_SIDE[::-1] * looks.width, hairline + 0.22 * np.abs(_SIDE[::-1] - parting) ** 2)
        canvas.fill(np.concatenate((cap, edge)), looks.hair)


def _draw_wrinkles(canvas: Canvas, looks: Looks, actions: Actions) -> None:
    thin = looks.line * 0.8

    def faint(amount: float) -> Colour:
        return mix(looks.skin, BLACK, min(max(amount, 0), 1) * 0.5)

    if actions.forehead_lines > 0.15:
        for height in (-0.62, -0.54):
            line = _curve(_SIDE * 0.3, looks.eye_height + height + 0.12 + 0.03 * _SIDE**2)
            canvas.line(line, faint(actions.forehead_lines * 0.8), thin)
    if actions.brow_furrow > 0.15:
        for side in (-1, 1):
            x = side * 0.06 + 0 * _ALONG
            canvas.line(_curve(x, looks.eye_height - 0.3 + 0.18 * _ALONG), faint(actions.brow_furrow * 1.2), thin)
    if actions.nose_wrinkle > 0.15:
        for height in (0.0, 0.07):
            line = _curve(_SIDE * 0.1, looks.eye_height + 0.03 + height + 0.04 * _SIDE**2)
            canvas.line(line, faint(actions.nose_wrinkle * 1.2), thin)
    if actions.mouth_folds > 0.15:
        bow = 0.06 * np.sin(np.pi * _ALONG)
        end = looks.mouth_width * (1.15 + 0.3 * actions.mouth_wide)
        top = looks.eye_height + looks.nose + 0.02
        fold = _curve(0.15 + (end - 0.13) * _ALONG + bow, top + (looks.mouth_height - top) * _ALONG)
        for side in (-1, 1):
            canvas.line(fold * (side, 1), faint(actions.mouth_folds), thin * 1.2)
    if actions.cheeks_up > 0.2:
        for side in (-1, 1):
            line = _curve(side * looks.eye_distance + _SIDE * 0.16, looks.eye_height + 0.2 - 0.05 * _BULGE)
            canvas.line(line, faint(actions.cheeks_up * 0.7), thin)


def _draw_eye(canvas: Canvas, looks: Looks, actions: Actions, side: int, dice: Dice) -> None:
    middle = side * looks.eye_distance
    width = looks.eye_size
    tilt = 0.05 * actions.lids_droop * _SIDE * side  # the outer end sinks
    upper_height = max(width * (0.48 + 0.42 * actions.upper_lids_up) + dice.near(0.008), 0.012)
    lower_height = max(width * (0.34 - 0.34 * actions.lower_lids_up), -0.3 * upper_height)
    # a drooping lid hangs lowest outside
    hang = 1 - 0.35 * max(actions.lids_droop, 0) * np.clip(_SIDE * side, 0, 1)
    x = middle + width * _SIDE
    upper = looks.eye_height + tilt - upper_height * _ALMOND * hang
    lower = looks.eye_height + tilt + lower_height * _ALMOND
    lower = np.maximum(lower, upper)
    canvas.fill(np.concatenate((_curve(x, upper), _curve(x, lower)[::-1])), mix(WHITE, looks.skin, 0.15))
    iris = _ellipse(middle + 0.02 * dice.near(1.0), looks.eye_height - 0.01, width * 0.5, width * 0.5)
    iris[:, 1] = np.clip(iris[:, 1], np.interp(iris[:, 0], x, upper), np.interp(iris[:, 0], x, lower))
    canvas.fill(iris, BLACK)
    canvas.line(_curve(x, upper), mix(looks.skin, BLACK, 0.85), looks.line * 1.3)
    canvas.line(_curve(x, lower), looks.shade, looks.line * 0.7)
    if actions.upper_lids_up < 0.6:  # the crease is hidden when the eye is wide open
        crease = looks.eye_height + tilt - (0.05 + upper_height) * _ALMOND
        canvas.line(_curve(x, crease)[2:-2], mix(looks.skin, BLACK, 0.3), looks.line * 0.6)


def _draw_brow(canvas: Canvas, looks: Looks, actions: Actions, side: int, dice: Dice) -> None:
    inner = 0.13 - 0.05 * actions.brows_together
    outer = looks.eye_distance + looks.eye_size * 1.15
    height = looks.eye_height - 0.22 - 0.13 * actions.brows_up + dice.near(0.015)
    arch = 0.05 * (1 + 0.8 * max(actions.brows_up, 0)) * np.sin(np.pi * _ALONG * 0.9)
    slant = 0.13 * actions.inner_brows_up * (1 - _ALONG) ** 1.3 - 0.05 * actions.inner_brows_up * _ALONG
    brow = _curve(inner + (outer - inner) * _ALONG, height - arch - slant + 0.03 * _ALONG)
    canvas.line(brow * (side, 1), mix(looks.hair, BLACK, 0.3), looks.brow_width)


def _draw_nose(canvas: Canvas, looks: Looks, actions: Actions) -> None:
    tip = looks.eye_height + looks.nose - 0.05 * max(actions.nose_wrinkle, 0)
    bridge = np.array([[0.05, looks.eye_height + 0.02], [0.07, tip - 0.12], [0.1, tip - 0.02]])
    canvas.line(bridge, mix(looks.skin, BLACK, 0.25), looks.line)
    flare = 0.1 * (1 + 0.25 * max(actions.nose_wrinkle, 0))
    canvas.line(_curve(_SIDE * flare, tip + 0.025 * _BULGE), looks.shade, looks.line)
    for side in (-1, 1):
        wing = np.array([[flare * 0.9, tip - 0.07], [flare * 1.2, tip - 0.02], [flare, tip + 0.01]])
        canvas.line(wing * (side, 1), looks.shade, looks.line * 0.8)


def _draw_beard(canvas: Canvas, looks: Looks, actions: Actions) -> None:
    outline = _outline(looks, actions)
    cheeks = outline[(outline[:, 1] > 0.25)]
    cheeks = cheeks[np.argsort(cheeks[:, 0])]
    top = _curve(_SIDE[::-1] * looks.width * 0.75, looks.mouth_height - 0.16 + 0.12 * _SIDE**2)
    # the outline's lower half runs left, chin, right; the upper edge leads back
    canvas.fill(np.concatenate((cheeks, top)), mix(looks.hair, looks.skin, 0.25))


def _draw_mouth(canvas: Canvas, looks: Looks, actions: Actions, dice: Dice) -> None:
    width = looks.mouth_width * (1 + 0.4 * actions.mouth_wide + 0.12 * actions.mouth_corners_up)
    x = width * _SIDE
    skew = dice.near(0.02) * _SIDE
    middle = looks.mouth_height - 0.04 * max(actions.chin_up, 0) + 0.02 * max(actions.jaw_drop, 0)
    bend = middle - 0.14 * actions.mouth_corners_up * (np.abs(_SIDE) ** 1.7 - 0.35) + skew
    # how the opening fills the width: pointed corners, a round, a square
    fullness = 1.0 - 0.5 * min(max(actions.mouth_round, 0), 1) - 0.65 * min(max(actions.mouth_square, 0), 1)
    open_shape = _BULGE ** max(fullness, 0.3)
    jaw = max(actions.jaw_drop, 0)
    raised = max(actions.upper_lip_up, 0)
    top = bend - (0.06 * jaw + 0.1 * raised * max(actions.upper_teeth, 0.35)) * open_shape
    bottom = bend + (0.34 * jaw + 0.02 * raised) * open_shape
    if jaw < 0.1 and actions.upper_teeth < 0.3:
        top = bottom = bend - 0.05 * raised * _BULGE

    pressed = min(max(actions.lips_pressed, 0), 1)
    thick = looks.lips * (1 - 0.75 * pressed) * (1 - 0.35 * raised)
    lip = mix(looks.skin, (150.0, 50.0, 55.0), 0.45)
    above = top - 0.055 * thick * _BULGE**0.6
    below = bottom + 0.075 * thick * _BULGE**0.6 + 0.015 * max(actions.chin_up, 0) * _BULGE
    canvas.fill(np.concatenate((_curve(x, above), _curve(x, below)[::-1])), lip)
    opening = np.concatenate((_curve(x, top), _curve(x, bottom)[::-1]))
    if (bottom - top).max() > 0.03:
        canvas.fill(opening, (58.0, 16.0, 18.0))
        if actions.upper_teeth > 0.3:
            edge = np.minimum(top + 0.1, bottom - 0.1 * (bottom - top))
            canvas.fill(np.concatenate((_curve(x, top), _curve(x, edge)[::-1]))[1:-1], WHITE)
        if actions.lower_teeth > 0.3:
            edge = np.maximum(bottom - 0.07, top + 0.4 * (bottom - top))
            canvas.fill(np.concatenate((_curve(x, bottom), _curve(x, edge)[::-1]))[1:-1], mix(WHITE, BLACK, 0.15))
    canvas.line(_curve(x, top), mix(looks.skin, BLACK, 0.75), looks.line * (1 + 0.4 * pressed))
    canvas.line(_curve(x, bottom), mix(lip, BLACK, 0.4), looks.line * 0.6)
    if actions.chin_up > 0.3:  # the lower lip is pushed up and the chin wrinkles
        chin = below.max() + 0.1
        canvas.line(_curve(_SIDE * 0.12, chin - 0.03 * _BULGE), mix(looks.skin, BLACK, 0.3), looks.line)


def _draw_glasses(canvas: Canvas, looks: Looks, dice: Dice) -> None:
    frame = mix(BLACK, WHITE, dice.between(0, 0.5))
    width, height = looks.eye_size * dice.between(1.25, 1.45), looks.eye_size * dice.between(0.95, 1.3)
    for side in (-1, 1):
        rim = _ellipse(side * looks.eye_distance, looks.eye_height + 0.03, width, height)
        canvas.line(np.concatenate((rim, rim[:1])), frame, 0.03)
        arm = np.array([[looks.eye_distance + width, looks.eye_height], [looks.width, looks.eye_height - 0.03]])
        canvas.line(arm * (side, 1), frame, 0.03)
    gap = looks.eye_distance - width
    canvas.line(np.array([[-gap, looks.eye_height], [gap, looks.eye_height]]), frame, 0.03)


def _draw_occlusion(canvas: Canvas, dice: Dice) -> None:
    # a hand, a scarf, a strand: something that covers a part but leaves most of the face
    x, y = dice.between(-0.8, 0.8), dice.between(-0.9, 0.95)
    colour = (dice.between(10, 240), dice.between(10, 240), dice.between(10, 240))
    if dice.chance(0.5):
        canvas.fill(_ellipse(x, y, dice.between(0.08, 0.28), dice.between(0.08, 0.28)), colour)
    else:
        reach_x, reach_y = dice.near(0.9), dice.near(0.9)
        canvas.line(
            np.array([[x - reach_x, y - reach_y], [x + reach_x, y + reach_y]]), colour, dice.between(0.05, 0.15)
        )
