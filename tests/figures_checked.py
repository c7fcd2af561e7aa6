"""What holds for every figure: nothing that is written leaves it."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def words_of(figure: Figure) -> list[Text]:
    """Everything that is written in a figure."""
    return [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text() and text.get_visible()]


def assert_nothing_is_cut_off(figure: Figure) -> None:
    """All that is drawn, words included, lies inside the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = figure.get_tightbbox(canvas.get_renderer())  # inches
    width, height = figure.get_size_inches()
    assert min(drawn.x0, drawn.y0) > -1e-6, drawn
    assert drawn.x1 < width + 1e-6, (drawn, width)
    assert drawn.y1 < height + 1e-6, (drawn, height)
