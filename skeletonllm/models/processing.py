"""SkeletonLLMProcessor: clips, questions and answers to what the model takes."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoProcessor, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils import cached_file

from skeletonllm.models.backbones import family_named, family_of
from skeletonllm.models.configuration import SkeletonLLMConfig
from skeletonllm.models.losses import IGNORED_LABEL
from skeletonllm.models.packing import first_fit_decreasing, pack
from skeletonllm.skeleton.batch import ClipBatch
from skeletonllm.skeleton.sequence import Clip, SkeletonSequence, sample_clip
from skeletonllm.skeleton.transforms import face_camera

SETTINGS_FILE = "processor_config.json"


class SkeletonLLMProcessor:
    """Builds prompts around a tokenizer and its chat template.

    A user turn is what stands for the frames in the backbone's family (``skeletonllm.models.backbones``), such as a
    line ``Frame1: <img><IMG_CONTEXT>...</img>`` per frame, then the question.

    Args:
        tokenizer: with a chat template, the family's frame tokens, and the end of a turn as its ``eos_token``.
        num_frames: frames that ``sample`` cuts a sequence to.
        tokens_per_frame: placeholder tokens of a frame, ``SkeletonLLMConfig.tokens_per_frame``.
        system: system message, or None for what the chat template does without one.
        face_camera: whether ``sample`` turns the first person to the camera, so that one action looks alike from
            every side of it.
        family: of the backbone, by the ``model_type`` of its configuration.
        frame_layout: as in ``SkeletonLLMConfig``.
        show_times: put each picture behind its second, ``Frame1 (0.0 s): ...``, so that answers may name times.

    Raises:
        ValueError: the tokenizer lacks one of these; an unknown family.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        num_frames: int = 12,
        tokens_per_frame: int = 256,
        system: str | None = None,
        face_camera: bool = False,
        family: str = "internvl",
        frame_layout: str = "images",
        show_times: bool = False,
    ):
        self.family = family_named(family)
        vocabulary = tokenizer.get_vocab()
        lacking = [token for token in self.family.frame_tokens if token not in vocabulary]
        if lacking or tokenizer.chat_template is None or tokenizer.eos_token_id is None:
            lacking += ["a chat template"] * (tokenizer.chat_template is None)
            lacking += ["an end-of-turn token (eos_token)"] * (tokenizer.eos_token_id is None)
            raise ValueError(f"the tokenizer lacks {', '.join(lacking)}")
        self.tokenizer = tokenizer
        self.num_frames = num_frames
        self.tokens_per_frame = tokens_per_frame
        self.system = system
        self.face_camera = face_camera
        self.frame_layout = frame_layout
        self.show_times = show_times

    @classmethod
    def for_model(
        cls, config: SkeletonLLMConfig, tokenizer: PreTrainedTokenizerBase, **settings
    ) -> "SkeletonLLMProcessor":
        """The processor that fits a model, with further ``settings`` of its own.

        Raises:
            ValueError: model and tokenizer differ on the frame token.
        """
        family, layout = family_of(config.backbone_config), config.frame_layout
        token, expected = family.placeholders[layout], config.frame_token_id
        if (found := tokenizer.convert_tokens_to_ids(token)) != expected:
            raise ValueError(f"the model's frame token is {expected}, the tokenizer's {token} is {found}")
        return cls(
            tokenizer, config.num_frames, config.tokens_per_frame, family=family.model_type, frame_layout=layout,
            **settings,
        )  # fmt: skip

    def sample(self, sequence: SkeletonSequence, generator: torch.Generator | None = None) -> Clip:
        """Cut a sequence to ``num_frames`` frames, evenly, or at random within segments if a generator is given."""
        clip = sample_clip(sequence, self.num_frames, generator=generator)
        return face_camera(clip) if self.face_camera else clip

    def prompt_text(self, question: str, times: Sequence[float | None], tokens_per_frame: int | None = None) -> str:
        """The conversation up to where the answer begins.

        Args:
            question: of the user.
            times: for each frame its second in the recording, or None where nobody knows.
            tokens_per_frame: placeholders of a frame, by default the processor's.

        Raises:
            ValueError: the question holds frame tokens; times are needed and not known.
        """
        tokens = self.tokens_per_frame if tokens_per_frame is None else tokens_per_frame
        text = self.family.clip_text(self.frame_layout, tokens, times, self.show_times)
        return self._conversation(text, question)

    def long_prompt_text(
        self, question: str, spans: Sequence[tuple[float, float]], num_frames: int, tokens_per_frame: int
    ) -> str:
        """The conversation about clips of one recording: before each a line as ``[12.0 s to 16.0 s]``.

        Args:
            question: of the user.
            spans: for each clip the seconds in which it begins and ends.
            num_frames: of each clip.
            tokens_per_frame: placeholders of a frame.

        Raises:
            ValueError: the question holds frame tokens.
        """
        clip = self.family.clip_text("images", tokens_per_frame, [None] * num_frames)
        return self._conversation("".join(f"[{begin:.1f} s to {end:.1f} s]\n{clip}" for begin, end in spans), question)

    def _conversation(self, shown: str, question: str) -> str:
        """What stands for frames and the question behind it, in the chat template."""
        for token in self.family.frame_tokens:
            if token in question:
                raise ValueError(f"the question contains {token}, which stands for a frame")
        messages = [] if self.system is None else [{"role": "system", "content": self.family.content(self.system)}]
        messages.append({"role": "user", "content": self.family.content(shown + question)})
        text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        placeholder = self.family.placeholders[self.frame_layout]
        if text.count(placeholder) != shown.count(placeholder):
            raise ValueError("the chat template does not write messages of this form: frames are missing in the prompt")
        return text

    def answer_ids(self, answer: str) -> list[int]:
        """Tokens of an answer, the end of the turn included."""
        text = self.family.answer_prefix + answer
        return [*self.tokenizer.encode(text, add_special_tokens=False), self.tokenizer.eos_token_id]

    def candidate_token_ids(self, labels: Sequence[str]) -> list[list[int]]:
        """Labels as ``label_log_likelihoods`` takes them: tokenised exactly as answers are in training."""
        return [self.answer_ids(label) for label in labels]

    def __call__(
        self,
        clips: Sequence[Clip] | None,
        prompts: Sequence[str],
        answers: Sequence[str] | None = None,
        row_length: int = 0,
    ) -> dict[str, torch.Tensor | ClipBatch]:
        """Tokens of S conversations, a left-padded row each, or several in a row.

        Args:
            clips: S clips of one frame count; None if frames are handed to the model already drawn.
            prompts: S questions.
            answers: S answers to learn, or None to ask.
            row_length: tokens that a row may have; the conversations are packed into few rows. 0: not packed.

        Returns:
            ``input_ids`` and ``attention_mask`` (S, L) int64; ``labels`` (S, L), -100 outside the answer and the end
            of its turn, if there are answers; ``clips``, if given, as a ``ClipBatch``; ``frame_seconds`` (S,), mean
            seconds between frames, where the frame layout wants it.
            Packed: ``input_ids``, ``labels``, ``position_ids`` and ``sample_ids`` (R, L), see
            ``skeletonllm.models.packing.pack``, and ``clips`` in the order of the samples in the rows, which is the
            order that frames drawn beforehand must have as well.

        Raises:
            ValueError: the numbers of clips, prompts and answers differ; a conversation does not fit into a row; the
                frame layout tells times and there are no clips to take them from.
        """
        counts = {len(given) for given in (clips, prompts, answers) if given is not None}
        if len(counts) != 1 or counts == {0}:
            raise ValueError(f"clips, prompts and answers must be as many, at least one; found {sorted(counts)}")
        unknown = [[None] * self.num_frames] * len(prompts)
        times = unknown if clips is None else [clip.times.tolist() for clip in clips]
        texts = [self.prompt_text(*pair) for pair in zip(prompts, times, strict=True)]
        asked = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        answered = [[] for _ in asked] if answers is None else [self.answer_ids(answer) for answer in answers]
        samples = [question + answer for question, answer in zip(asked, answered, strict=True)]
        learnt = [len(answer) for answer in answered]
        padding = self.tokenizer.eos_token_id if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        if row_length:
            rows = first_fit_decreasing([len(sample) for sample in samples], row_length)
            result = pack(samples, learnt, rows, padding)
            clips = None if clips is None else [clips[index] for row in rows for index in row]
        else:
            result = _left_padded(samples, learnt, padding)
        if answers is None:
            del result["labels"]
        if self.frame_layout in self.family.spaced_layouts:
            result["frame_seconds"] = torch.tensor([_mean_step(seconds) for seconds in times])
        if clips is not None:
            result["clips"] = ClipBatch.from_clips(clips)
        return result

    def decode(self, generated: torch.Tensor, prompt_length: int = 0) -> list[str]:
        """Generated ids (B, L) to text, without the first ``prompt_length`` columns and without special tokens."""
        texts = self.tokenizer.batch_decode(generated[:, prompt_length:], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer and ``processor_config.json``."""
        self.tokenizer.save_pretrained(folder)
        settings = {
            "processor_class": type(self).__name__,
            "num_frames": self.num_frames,
            "tokens_per_frame": self.tokens_per_frame,
            "system": self.system,
            "face_camera": self.face_camera,
            "family": self.family.model_type,
            "frame_layout": self.frame_layout,
            "show_times": self.show_times,
        }
        (Path(folder) / SETTINGS_FILE).write_text(json.dumps(settings, indent=2) + "\n")

    @classmethod
    def from_pretrained(cls, name: str | Path, **kwargs) -> "SkeletonLLMProcessor":
        """Read what ``save_pretrained`` wrote, from a folder or the hub.

        Raises:
            OSError: there is no such file.
            ValueError: the folder holds another kind of processor.
        """
        path = cached_file(str(name), SETTINGS_FILE)
        settings = json.loads(Path(path).read_text())
        found = settings.pop("processor_class", None)
        if found != cls.__name__:
            raise ValueError(f"{name}: {SETTINGS_FILE} is of {found}, expected {cls.__name__}")
        return cls(AutoTokenizer.from_pretrained(name, **kwargs), **settings)


def _mean_step(times: Sequence[float | None]) -> float:
    """Mean seconds from a frame to the next, 0 for one alone."""
    if None in times:
        raise ValueError("the frame layout tells times, which only clips have: give them")
    return (times[-1] - times[0]) / max(len(times) - 1, 1)


def _left_padded(samples: Sequence[list[int]], learnt: Sequence[int], padding: int) -> dict[str, torch.Tensor]:
    """``input_ids``, ``attention_mask`` and ``labels`` of a row per sample."""
    longest = max(map(len, samples))
    input_ids = torch.full((len(samples), longest), padding)
    attention_mask = torch.zeros_like(input_ids)
    labels = torch.full_like(input_ids, IGNORED_LABEL)
    for row, (sample, count) in enumerate(zip(samples, learnt, strict=True)):
        input_ids[row, longest - len(sample) :] = torch.tensor(sample)
        attention_mask[row, longest - len(sample) :] = 1
        labels[row, longest - count :] = input_ids[row, longest - count :]
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


AutoProcessor.register(SkeletonLLMConfig, SkeletonLLMProcessor)
