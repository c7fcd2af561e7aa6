"""What a trained network looks at: Grad-CAM, saliency, and the feature maps of its layers.

All of them ask a model as `predict` does, and leave it as it is: weights, gradients, statistics and random numbers.
Any number of threads may ask one model at once.
"""

from scratchnet.explain.class_maps import convolution_layers, grad_cam, grad_cam_layer
from scratchnet.explain.input_gradients import saliency
from scratchnet.explain.layer_maps import feature_maps, spatial_layers

__all__ = ["convolution_layers", "feature_maps", "grad_cam", "grad_cam_layer", "saliency", "spatial_layers"]
