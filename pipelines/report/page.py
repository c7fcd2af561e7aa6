"""Sections to HTML."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

import scratchnet as sn
from pipelines.report.blocks import Section
from pipelines.report.wording import readable


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The whole page, which needs no other file.

    Args:
        title: above everything.
        subtitle: below the title.
        sections: in order, each with an anchor.
    """
    environment = Environment(
        # names of files and classes may hold anything
        autoescape=True,
        loader=PackageLoader("pipelines.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(
        title=title, subtitle=subtitle, sections=sections, version=sn.__version__
    )
    return readable(page)
