"""How often to save, and what failures cost, by how often they come."""

import math

# Llama 3 (Dubey et al., arXiv 2407.21783, section 3.3.4): 419 unexpected interruptions of 16,384 H100 in 54 days.
GPU_HOURS_PER_FAILURE = 54 * 24 * 16_384 / 419


def best_interval(save_seconds: float, seconds_per_failure: float) -> float:
    """Seconds of work between two saves that lose the least time.

    J. T. Daly, A higher order estimate of the optimum checkpoint interval for restart dumps, Future Generation Computer
    Systems 22 (2006), page 303. Its first term is J. W. Young's square root of 2 save_seconds seconds_per_failure
    (Communications of the ACM 17 (1974), page 530).

    Args:
        save_seconds: that a save holds the run up.
        seconds_per_failure: mean time between failures of the whole run.
    """
    if save_seconds >= 2 * seconds_per_failure:
        return seconds_per_failure
    part = save_seconds / (2 * seconds_per_failure)
    young = math.sqrt(2 * save_seconds * seconds_per_failure)
    return young * (1 + math.sqrt(part) / 3 + part / 9) - save_seconds


def overhead(interval: float, save_seconds: float, restart_seconds: float, seconds_per_failure: float) -> float:
    """Time lost to saves, restarts and work done again, as a share of the work.

    For failures at random moments, during saves and restarts as well (Daly 2006).

    Args:
        interval: seconds of work between two saves.
        save_seconds, restart_seconds: that a save and a restart take.
        seconds_per_failure: mean time between failures of the whole run.
    """
    again = math.expm1((interval + save_seconds) / seconds_per_failure)
    return seconds_per_failure / interval * math.exp(restart_seconds / seconds_per_failure) * again - 1
