"""What each network looks at."""

from collections.abc import Sequence

from pipelines.report.blocks import Block, Remark, Section, Text
from pipelines.report.illustrations import explanation_blocks
from pipelines.report.material import RunMaterial


def explanations_section(runs: Sequence[RunMaterial]) -> Section:
    """Explanations of each run."""
    intro = Text(
        "Grad-CAM shows which places speak for the class that the network gives (Selvaraju et al., 2017), saliency how "
        "much the class's score changes with each pixel (Simonyan et al., 2014). Both say where the network looks, not "
        "whether it is right to."
    )
    if len(runs) == 1:
        return Section("Explanations", "explanations", [intro, *_run(runs[0])])
    return Section("Explanations", "explanations", [intro], [Section(run.label, "", _run(run)) for run in runs])


def _run(run: RunMaterial) -> list[Block]:
    if run.model is None:
        return [Remark("There is nothing to explain: the first epoch of the training has not ended yet.")]
    note = (
        [Text("Computed with scratchnet's engine on the weights that Keras trained.")] if run.engine == "keras" else []
    )
    return [*note, *explanation_blocks(run, run.model)]
