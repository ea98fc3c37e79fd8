"""Cells of a study: one variant with one seed, trained and tested in a folder of its own by whoever comes first."""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from skeletonllm.data.mixture import Mixture
from skeletonllm.data.recordings import read_all
from skeletonllm.evaluation.baselines.learning import Learning, answer, one_topology, train_st_gcn
from skeletonllm.evaluation.baselines.st_gcn import load_st_gcn, save_st_gcn
from skeletonllm.evaluation.respondents import Answers, Ours, Test, on_device
from skeletonllm.evaluation.results import SUMMARY_FILE, write_results
from skeletonllm.evaluation.selection import choose
from skeletonllm.models.trained import find_trained, load_trained
from skeletonllm.studies.spec import Study, folder_name
from skeletonllm.training.arguments import Recipe, load_recipe
from skeletonllm.training.data import choose_recordings
from skeletonllm.training.run import train

EVALUATION_FOLDER = "evaluation"
FOUNDATION_FOLDER = "foundations"
NETWORK_FILE = "st_gcn.safetensors"
RECIPE_DIGITS = 8
WAIT_SECONDS = 2.0


@dataclass(frozen=True)
class Cell:
    """A variant with a seed.

    Args:
        study: the whole table.
        variant: name of the row.
        seed: of order, augmentation and untrained weights.
        root: folder of the study.
    """

    study: Study
    variant: str
    seed: int
    root: Path

    @property
    def folder(self) -> Path:
        return self.root / folder_name(self.variant) / f"seed-{self.seed}"

    def result(self, test: str) -> Path:
        """Folder of the results of a test."""
        return self.folder / EVALUATION_FOLDER / folder_name(test)

    @property
    def missing(self) -> list[str]:
        """Tests without results."""
        wanted = self.study.variants[self.variant].tests or self.study.tests
        return [name for name in wanted if not (self.result(name) / SUMMARY_FILE).is_file()]

    def recipe(self) -> Recipe:
        """What it is trained by."""
        variant = self.study.variants[self.variant]
        changes = [*self.study.changes, *variant.changes, f"optimization.seed={self.seed}"]
        if (foundation := self.foundation()) is not None:
            changes.append(f"model.backbone={foundation[0]}")
        return load_recipe(variant.recipe or self.study.recipe, changes)

    def foundation(self) -> tuple[Path, Recipe] | None:
        """The run that it goes on from, and the recipe of that; variants with the same recipe share it."""
        variant, foundation = self.study.variants[self.variant], self.study.foundation
        if foundation is None or not variant.foundation:
            return None
        of_model = [change for change in variant.changes if change.startswith("model.")]
        recipe = load_recipe(foundation.recipe, [*foundation.changes, *of_model])
        digest = hashlib.sha256(json.dumps(recipe.decisive(), sort_keys=True).encode()).hexdigest()
        return self.root / FOUNDATION_FOLDER / digest[:RECIPE_DIGITS], recipe

    def run(self) -> None:
        """Train and test what is still missing; what was interrupted goes on where it stopped."""
        if self.study.variants[self.variant].program is not None:
            self._run_network()
            return
        if find_trained(self.folder) is None:
            if (foundation := self.foundation()) is not None:
                _train_once(*reversed(foundation))
            train(self.recipe(), self.folder, resume=True)
        trained = on_device(load_trained(self.folder))
        self._examine(trained.labels, Ours(trained).answer)

    def _run_network(self) -> None:
        """The same with the classical network, which takes nothing but the data from the recipe."""
        path = self.folder / NETWORK_FILE
        if not path.is_file():
            chosen, _ = choose_recordings(self.recipe())
            read = read_all(Mixture(chosen).all_recordings(), progress="reading")
            learning = Learning(**self.study.variants[self.variant].options)
            network = train_st_gcn(one_topology(read), self.seed, learning, progress=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_st_gcn(network, path)
        network = load_st_gcn(path)

        def answers(test: Test) -> Answers:
            return answer(network, replace(test, recordings=one_topology(test.recordings, network.topology)))

        self._examine(network.labels, answers)

    def _examine(self, labels: list[str], answers: Callable[[Test], Answers]) -> None:
        """Put whoever knows the labels to every test that has no results yet."""
        for name in self.missing:
            examination = self.study.tests[name]
            selection = choose(
                examination.data, examination.root, examination.options, examination.protocol, labels,
                split=examination.split, where=examination.where, shared_labels=examination.shared_labels,
            )  # fmt: skip
            test = Test.about(selection, "recognition")
            facts = dict(checkpoint=str(self.folder), **vars(examination), scoring="log-likelihood")
            write_results(self.result(name), test, answers(test), {}, facts)


def _train_once(recipe: Recipe, folder: Path) -> None:
    """Train a foundation unless it is there; wait for it while somebody else trains it."""
    while find_trained(folder) is None:
        with claimed(folder) as mine:
            if mine:
                train(recipe, folder, resume=True)
            else:
                time.sleep(WAIT_SECONDS)


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether a folder is ours alone for now. The claim of a process that dies, however it does, ends with it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder, because a run wants to make its folder itself.
    descriptor = os.open(folder.with_name(f".{folder.name}.lock"), os.O_CREAT | os.O_RDWR)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def cells_of(study: Study, root: Path) -> list[Cell]:
    """All cells, seed by seed, so that a study that is stopped has rows to compare."""
    return [Cell(study, variant, seed, root) for seed in study.seeds for variant in study.variants]
