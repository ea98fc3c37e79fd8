"""What a model is tested on where nothing else is said: what it was trained on, with the same options."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Of a test.

    Args:
        name: a key of ``skeletonllm.data.sources.SOURCES``.
        root: folder of its files.
        options: of the source.
        protocol: who trains and who tests.
        shared_names: whether actions have the names that a mixture gives them.
    """

    name: str
    root: str | None
    options: dict
    protocol: str
    shared_names: bool = False


def source_of_test(
    recipe: Mapping | None,
    *,
    data: str | None = None,
    root: str | None = None,
    options: Mapping | None = None,
    protocol: str | None = None,
    part: str | None = None,
) -> Source:
    """What is asked for, completed by the recipe of training if it is of the same source.

    Args:
        recipe: of the model; None where nothing is known of its training.
        data: the source; None: that of training, else synthetic motions.
        root, protocol: None: as in training on the same source, else none, and ``usual``.
        options: of the source, each instead of the same one in training.
        part: of the mixture that was trained on, one source by its name there.

    Raises:
        ValueError: no such part, or a part of another source than ``data``; a mixture, and nothing is chosen of it.
    """
    training = (recipe or {}).get("data", {})
    mixture = training.get("mixture") or {}
    if part is not None:
        if part not in mixture:
            known = f"the parts are {', '.join(mixture)}" if mixture else "the model was not trained on a mixture"
            raise ValueError(f"no part {part!r}; {known}")
        training = mixture[part]
        if data not in (None, training["source"]):
            raise ValueError(f"part {part!r} is of the source {training['source']}, not of {data}")
    elif mixture:
        if data is None:
            raise ValueError(
                f"the model was trained on a mixture; choose one of its parts with --part ({', '.join(mixture)}), "
                "or any source with --data"
            )
        training = {}
    name = data or training.get("source", "synthetic")
    if training.get("source") != name:
        training = {}
    return Source(
        name,
        root if root is not None else training.get("root"),
        {**training.get("options", {}), **(options or {})},
        protocol or training.get("protocol", "usual"),
        part is not None,
    )
