"""Layouts, and a topology, for spoilt files: of every kind, with every key somewhere."""

OWN_TOPOLOGY = b"""name: stick
joints:
  - {name: pelvis, part: torso}
  - {name: head, parent: pelvis, part: head}
  - name: left_wrist
    parent: pelvis
    part: forearm
    side: left
bones: [[pelvis, head], [pelvis, left_wrist]]
"""
CSV = b"""# a comment
kind: csv
name: studio
topology: own.yaml
columns: "{joint}_{value}"
values: {x: X, y: Y, z: Z}
joints: {pelvis: Hips, head: Head, left_wrist: LHand}
time: t
time_unit: ms
label: what
unit: cm
up: z
files: "*-{label}.csv"
"""
LISTED = b"""kind: csv
topology:
  joints:
    - {name: pelvis, part: torso}
    - {name: head, parent: pelvis, part: head}
columns:
  pelvis: [1, 2, 3]
  head: [4, 5, 6]
header: 0
skip: 1
separator: space
fps: 25
missing: n/a
handed: left
place: camera
up: -y
"""
NPY = b"kind: npy\nshape: T (J C)\ntopology: kinect_v1\nunit: mm\nplace: kept\nfps: 30\nmissing: 0\n"
NPZ = b"""kind: npz
array: poses
shape: P T J C
topology: coco-17
values: [x, y]
confidence: scores
label: what
fps: rate
tracked: no
"""
JSON = b"""kind: json
points: frames[T].people[P].points{J}[C]
confidence: frames[T].people[P].scores{J}
topology: coco_17
values: [x, y]
unit: px
fps: video.fps
label: video.action
"""
FLAT = b"""kind: json
points: "[T].keypoints[J C]"
time: "[T].at"
topology: kinect_v1
values: [x, y, z, confidence]
"""
