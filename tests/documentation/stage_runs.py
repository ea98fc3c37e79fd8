"""Runs, models and generators that the documentation names, as far as they can be made in seconds."""

import shutil
from functools import cached_property
from pathlib import Path

import yaml
from stage_recordings import Recordings
from stage_services import Services
from untaught_generator import write_generator

from skeletonllm.cli import main
from skeletonllm.data.annotations import list_folder
from skeletonllm.data.packing import pack
from skeletonllm.models.trained import load_trained
from skeletonllm.studies.spec import shipped_studies
from skeletonllm.training.arguments import load_recipe
from skeletonllm.training.run import train

TINY = "{image_size: 32, patch_size: 8, vision_hidden_size: 32, vision_layers: 1, hidden_size: 32, layers: 1, heads: 2}"
# Changes to recipes: a model of fifty thousand parameters, and little to learn from.
SMALL_MODEL = [f"model.tiny={TINY}", "model.num_frames=3"]
SMALL_STEPS = ["optimization.threads=1", "optimization.batch_size=4", "pictures_every=0"]
FEW_RECORDINGS = ["data.options={topologies: [coco_17], performers: 1, test_performers: 1}"]
SMALL_STUDY = ["model.tiny.vision_hidden_size=32", "model.tiny.hidden_size=32", "model.tiny.layers=1",
               *SMALL_STEPS, "stages.scratch.epochs=1"]  # fmt: skip
SMALL_STAGE = ["stages.scratch.epochs=1"]
SMALL_IMITATION = [
    "data.songs=1", "data.seconds=3", "optimization.steps=1", "optimization.bodies=2", "optimization.horizon=4",
]  # fmt: skip
MY_REWARD = '''"""A reward of one's own."""

from skeletonllm.dance.rewards import reward


@reward(differentiable=True)
def hands_up(dances):
    """How high the left hand is above the head, metres."""
    names = dances.body.names
    return dances.joints[..., names.index("left_wrist"), 2] - dances.joints[..., names.index("head"), 2]
'''


class Runs(Recordings):
    """Below ``folder``, beside the recordings that they are made of; each is made when it is first asked for.

    Attributes:
        services: what they are made with.
    """

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.services = Services(self.new("services"))

    def command(self, *words: object) -> None:
        """Runs a command of ours, which must end well."""
        try:
            main([str(word) for word in words])
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{' '.join(map(str, words))}: ended with {end.code}") from end

    @cached_property
    def packed(self) -> Path:
        folder = self.folder / "packed"
        pack(list_folder(self.recordings), folder, name="recordings", workers=0)
        return folder

    @cached_property
    def packed_nw_ucla(self) -> Path:
        folder = self.folder / "packed_nw_ucla"
        self.command("pack", "--source", "nw_ucla", "--root", self.nw_ucla, "-o", folder, "--workers", 0)
        return folder

    @cached_property
    def run(self) -> Path:
        """A run of all four stages, with adapters, on the embedded actions."""
        stages = "stages={warmup: {}, discriminate: {}, distill: {}, refine: {}}"
        return self._train("run", "synthetic", *FEW_RECORDINGS, stages, "model.lora.rank=2")

    @cached_property
    def nw_ucla_run(self) -> Path:
        return self._train("nw_ucla_run", "nw_ucla", f"data.root={self.nw_ucla}", *SMALL_STAGE)

    @cached_property
    def mixture_run(self) -> Path:
        parts = f"{{ucla: {{source: nw_ucla, root: {self.nw_ucla}}}, utd: {{source: utd_mhad, root: {self.utd_mhad}}}}}"
        return self._train("mixture_run", "synthetic", "data.options={}", f"data.mixture={parts}", *SMALL_STAGE)

    def _train(self, name: str, recipe: str, *changes: str) -> Path:
        folder = self.folder / name
        train(load_recipe(recipe, [*SMALL_MODEL, *SMALL_STEPS, *changes]), folder)
        return folder

    @cached_property
    def tested_runs(self) -> Path:
        """Runs below a folder, of which one was tested."""
        folder = self.new("tested_runs")
        shutil.copytree(self.nw_ucla_run, folder / "first")
        self.command("evaluate", folder / "first")
        shutil.copytree(folder / "first", folder / "second")
        return folder

    @cached_property
    def rationales(self) -> Path:
        folder = self.folder / "rationales"
        where = ("--endpoint", self.services.endpoint, "--model", "teacher")
        self.command("teach", *where, "--model-folder", self.run, "-o", folder)
        return folder

    @cached_property
    def my_reward(self) -> Path:
        path = self.new("my_reward") / "mine.py"
        path.write_text(MY_REWARD)
        return path

    @cached_property
    def generator(self) -> Path:
        return write_generator(self.new("generator"))

    @cached_property
    def backbone(self) -> Path:
        """A multimodal LLM as transformers saves it."""
        folder = self.folder / "backbone"
        load_trained(self.run).model.backbone.save_pretrained(folder)
        return folder

    @cached_property
    def imitator(self) -> Path:
        folder = self.folder / "imitator"
        self.command("dance", "imitate", "embedded", "-o", folder, *SMALL_IMITATION)
        return folder

    @cached_property
    def activation(self) -> Path:
        """Nothing: the environment of the tests has all that is needed on its path."""
        path = self.new("activation") / "activate"
        path.touch()
        return path

    def small_study(self, name: str) -> Path:
        """A shipped study, with few recordings, small models and one epoch of each."""
        path = self.folder / "studies" / f"{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        content = yaml.safe_load(shipped_studies()[name].read_text())
        foundation = content.get("foundation")
        for part in [content, *([foundation] if foundation else []), *content["variants"].values()]:
            if part.get("program") == "st_gcn":
                part["options"] = {"epochs": 1}
                continue
            made_up = part is foundation or part.get("recipe") == "synthetic"
            part["changes"] = [*part.get("changes", []), *SMALL_STUDY, *(FEW_RECORDINGS if made_up else [])]
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path
