"""Who is who from frame to frame, and where the sensor lost a body for a moment."""

from collections.abc import Sequence
from math import dist

import numpy as np

# A body that a sensor loses and finds again gets a new id. It is taken for the same person if it comes back within
# this time, no further away than the skeleton may be off when it is found anew plus what the person walks meanwhile.
LINK_SECONDS = 0.5
LINK_METRES = 0.5
LINK_METRES_PER_SECOND = 2.0

# A skeleton that is this far (LINK_METRES) from where it is just before and after was lost by the sensor for a moment.
# In NTU clips, true motion strays by 0.2 m at most from the median over half a second, lost skeletons by 0.6 m or more.
JUMP_HALF_WINDOW_SECONDS = 0.25


def track_bodies(frames: np.ndarray, body_ids: Sequence[int], centres: np.ndarray, fps: float) -> np.ndarray:
    """Say which detections are the same person.

    In each frame a detection continues the person who had the same id last, if it is near enough; then, of the rest,
    the nearest person within reach, so that an id that changes, is given twice or jumps to somebody else does not
    make persons swap; then the person with its id wherever that is; else it is a new person.

    Args:
        frames: (D,) frame of each detection, ascending.
        body_ids: (D,) the sensor's ids, Python integers of any size.
        centres: (D, 3) mean joint position of each detection, metres.
        fps: frames per second.

    Returns:
        (D,) index of the person of each detection, counted in order of appearance.
    """
    persons = np.full(len(frames), -1)
    last: list[int] = []  # the last detection of each person
    person_of_id: dict[int, int] = {}
    alive: list[int] = []  # persons seen within LINK_SECONDS
    taken: set[int] = set()  # persons found in the present frame

    # Single elements of lists are reached ten times as fast as those of arrays.
    places, times = centres.tolist(), frames.tolist()

    def distance(detection: int, person: int) -> float:
        return dist(places[detection], places[last[person]])

    def seconds_since(detection: int, person: int) -> float:
        return (times[detection] - times[last[person]]) / fps

    def is_near(detection: int, person: int) -> bool:
        reach = LINK_METRES + LINK_METRES_PER_SECOND * seconds_since(detection, person)
        return distance(detection, person) <= reach

    def assign(detection: int, person: int) -> None:
        persons[detection] = person
        taken.add(person)

    edges = np.flatnonzero(np.diff(frames, prepend=-1))
    for start, stop in zip(edges, [*edges[1:], len(frames)], strict=True):
        here = range(start, stop)
        ids = [body_ids[detection] for detection in here]
        alive = [person for person in alive if seconds_since(start, person) <= LINK_SECONDS + 1 / fps]
        taken.clear()
        for detection in here:
            person = person_of_id.get(body_ids[detection])
            unique = ids.count(body_ids[detection]) == 1
            if person is not None and person not in taken and unique and is_near(detection, person):
                assign(detection, person)
        rest, free = [d for d in here if persons[d] < 0], [person for person in alive if person not in taken]
        near = [(distance(d, person), d, person) for d in rest for person in free if is_near(d, person)]
        for _, detection, person in sorted(near):
            if persons[detection] < 0 and person not in taken:
                assign(detection, person)
        for detection in here:
            if persons[detection] < 0:
                person = person_of_id.get(body_ids[detection])
                if person is None or person in taken:
                    person = len(last)
                    last.append(detection)
                assign(detection, person)
        for detection in here:
            last[persons[detection]] = detection
            person_of_id[body_ids[detection]] = int(persons[detection])
        alive = sorted({*alive, *taken})
    return persons


def momentary_jumps(frames: np.ndarray, centres: np.ndarray, fps: float) -> np.ndarray:
    """Where a body is far from its own median position over the surrounding half second.

    Args:
        frames: (D,) ascending frames in which the body was seen.
        centres: (D, 3) its mean joint position, metres.
        fps: frames per second.

    Returns:
        (D,) bool.
    """
    if np.linalg.norm(np.ptp(centres, axis=0)) <= LINK_METRES:
        return np.zeros(len(frames), bool)  # medians lie in the box around all places, where nothing is far away
    reach = round(JUMP_HALF_WINDOW_SECONDS * fps)
    medians, rest = np.empty_like(centres), np.arange(len(frames))
    width = 2 * reach + 1
    if len(frames) >= width and frames[-1] - frames[0] == len(frames) - 1:
        # Nearly all files: no frame is missing, so all windows but those at the ends are alike.
        windows = np.lib.stride_tricks.sliding_window_view(centres, width, axis=0)
        medians[reach : len(frames) - reach] = np.median(windows, axis=-1)
        rest = np.r_[:reach, len(frames) - reach : len(frames)]
    starts = np.searchsorted(frames, frames[rest] - reach)
    stops = np.searchsorted(frames, frames[rest] + reach, side="right")
    for place, start, stop in zip(rest, starts, stops, strict=True):
        medians[place] = np.median(centres[start:stop], axis=0)
    return np.linalg.norm(centres - medians, axis=-1) > LINK_METRES
