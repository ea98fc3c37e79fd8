"""The axes of recordings, files and dances, as matrices that carry one into another."""

import numpy as np

# A recording has Y up and Z away from the camera, and who faces the camera has the left at smaller x. A dance has Z up,
# and who faces -y has the left at larger x. Both are right-handed; the camera looks along +y.
RECORDING_TO_DANCE = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])

# A body at rest faces +z with Y up in files (SMPL, BVH) and in the rotations of recordings; ours faces -y with Z up.
# Its left is at +x in both. The world of BVH files is turned likewise.
FILE_TO_DANCE = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
