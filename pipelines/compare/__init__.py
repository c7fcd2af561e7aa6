"""A model beside its Keras twin: the same function, layer by layer, gradient by gradient, step by step?"""

from pipelines.compare.comparison import Comparison, compare_models

__all__ = ["Comparison", "compare_models"]
