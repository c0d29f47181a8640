"""A two-dimensional colour scale: the place on a grid as a colour, so that neighbouring cells look alike.

Bilinear between four corner colours in OKLab, where equal steps look equal; the middle is a little lighter. The corners
were searched for so that cells half a grid apart stay apart for colour-blind eyes too (simulated: red, green, blue).
"""

import numpy as np
import numpy.typing as npt

CORNERS = np.array(  # OKLab (L, a, b): top left, top right, bottom left, bottom right
    [[[0.81, -0.115, -0.075], [0.84, 0.0, 0.165]], [[0.475, 0.072, -0.185], [0.50, 0.15, 0.095]]]
)
_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
_TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
     [-0.0041960863, -0.7034186147, 1.7076147010]]
)  # fmt: skip


def grid_colours(height: int, width: int) -> npt.NDArray[np.float64]:
    """[height, width, 3] sRGB in 0..1."""
    down = np.linspace(0, 1, height) if height > 1 else np.array([0.5])
    across = np.linspace(0, 1, width) if width > 1 else np.array([0.5])
    left = CORNERS[0, 0] + down[:, None] * (CORNERS[1, 0] - CORNERS[0, 0])
    right = CORNERS[0, 1] + down[:, None] * (CORNERS[1, 1] - CORNERS[0, 1])
    lab = left[:, None] + across[None, :, None] * (right - left)[:, None]
    middle = np.outer(np.sin(np.pi * down), np.sin(np.pi * across))
    lab[..., 0] += 0.09 * middle  # the middle has little colour; a lighter grey keeps it apart from the rim
    linear = np.clip((lab @ _TO_LMS.T) ** 3 @ _TO_RGB.T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
