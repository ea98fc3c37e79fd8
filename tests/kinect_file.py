"""NTU RGB+D's text, for tests of all packages."""

from skeletonllm.skeleton.sequence import SkeletonSequence


def kinect_text(sequence: SkeletonSequence) -> str:
    """A recording of Kinect v2 as its `.skeleton` file."""
    lines = [str(sequence.num_frames)]
    for persons in sequence.joints.tolist():
        lines.append(str(len(persons)))
        for body, joints in enumerate(persons):
            lines += [f"7205759403792{body} 0 1 1 1 1 0 0.1 -0.2 2", str(len(joints))]
            lines += [f"{x:.7f} {y:.7f} {z:.7f} 250.1 200.2 900.3 500.4 0.1 0.2 0.3 0.9 2" for x, y, z in joints]
    return "\n".join(lines) + "\n"
