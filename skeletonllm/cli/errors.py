"""Which errors are the user's, and how they are told."""

# What a wrong file, path or argument raises. Anything else is a defect of ours and shows its traceback.
USER_ERRORS = (ValueError, KeyError, OSError, FloatingPointError)
# Libraries that the core does without, by the extra that brings them.
EXTRAS = {
    "pyarrow": "train",
    "datasets": "train",
    "tensorboard": "train",
    "sacrebleu": "evaluate",
    "rouge_score": "evaluate",
    "librosa": "dance",
    "soundfile": "dance",
    "mujoco": "dance",
    "gymnasium": "dance",
    "stable_baselines3": "dance",
}


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """One line that says what to install; None for a module that no extra brings, which is a defect of ours."""
    library = (error.name or "").partition(".")[0]
    if library not in EXTRAS:
        return None
    return f"this needs {library}, which is not installed: pip install 'skeletonllm[{EXTRAS[library]}]'"


def exit_code(error: Exception) -> int:
    """What a run ends with: ``POISONED`` for data that it cannot learn from, else 2."""
    from skeletonllm.data.recordings import PoisonedDataError
    from skeletonllm.training.faults import POISONED

    return POISONED if isinstance(error, FloatingPointError | PoisonedDataError) else 2


def describe_error(error: Exception) -> str:
    """One line that a user can act on."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])  # str() of a KeyError would quote the message
    return " ".join(str(error).split()) or type(error).__name__
