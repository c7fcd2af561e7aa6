import drawn
import loops
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet.kernels import depthwise

TOLERANCE = {"float32": 3e-5, "float64": 1e-12}


@settings(max_examples=60)
@given(
    drawn.seeds, drawn.dtypes, st.integers(1, 3), drawn.raw_windows(), st.sampled_from([1, 2, 3, 9, 17]),
    st.integers(1, 3),
)  # fmt: skip
def test_values_and_gradients_equal_the_loops(seed, dtype, batch, geometry, channels, multiplier):
    size, window, out_size = geometry
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((batch, *size, channels)).astype(dtype)
    kernel = rng.standard_normal((window.height, window.width, channels, multiplier)).astype(dtype)
    dy = rng.standard_normal((batch, *out_size, channels * multiplier)).astype(dtype)
    results = {
        "value": (
            depthwise.depthwise_forward(x, kernel, None, window, out_size),
            loops.depthwise_forward(x, kernel, window, out_size),
        ),
        "by kernel": (
            depthwise.depthwise_kernel_gradient(x, dy, kernel.shape, window),
            loops.depthwise_kernel_gradient(x, dy, kernel.shape, window),
        ),
        "by input": (
            depthwise.depthwise_input_gradient(dy, kernel, x.shape, window),
            loops.depthwise_input_gradient(dy, kernel, x.shape, window),
        ),
    }
    for what, (ours, twin) in results.items():
        assert ours.dtype == dtype
        assert ours.shape == twin.shape
        np.testing.assert_allclose(ours, twin, rtol=0, atol=TOLERANCE[dtype] * max(1, np.abs(twin).max()), err_msg=what)
