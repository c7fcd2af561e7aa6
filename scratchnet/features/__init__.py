"""Features of images, for everything that scikit-learn does with vectors.

Features need no labels where filters are fixed, and come from any layer of a network where one has been trained.
This part needs scikit-learn, which the engine itself does without; so `import scratchnet` leaves it alone, and
`scratchnet.features` imports it when it is first asked for.
"""

try:
    import sklearn  # noqa: F401  # for its absence to be told in one place
except ImportError as error:
    raise ImportError(
        'scratchnet.features needs scikit-learn, which is not installed: pip install -e ".[pipelines]" in the checkout'
    ) from error

from scratchnet.features.classifier import ScratchClassifier
from scratchnet.features.extractor import FeatureExtractor
from scratchnet.features.filters import FilterBank, filter_bank
from scratchnet.features.layer_features import layer_features

__all__ = ["FeatureExtractor", "FilterBank", "ScratchClassifier", "filter_bank", "layer_features"]
