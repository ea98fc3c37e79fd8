"""skeletonllm ask: a question about a recording."""

from pathlib import Path
from typing import Annotated

import typer


def ask(
    checkpoint: Annotated[Path, typer.Argument(help="A trained model, or the folder of the run that made it.")],
    file: Annotated[Path, typer.Argument(help="A skeleton recording.")],
    question: Annotated[
        str | None, typer.Argument(help="Default: which of the actions that the model was trained on it shows.")
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option(help="Rank this answer instead of generating one; may be repeated.")
    ] = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 64,
) -> None:
    """Ask a trained model about a recording: a free answer, or the probabilities of given ones."""
    from skeletonllm.models.trained import load_trained
    from skeletonllm.skeleton.formats import read_skeleton
    from skeletonllm.tasks.recognition import build_prompt

    sequence = read_skeleton(file)
    trained = load_trained(checkpoint)
    candidates = candidate or ([] if question else trained.labels)
    prompt = question or build_prompt(candidates)
    inputs = trained.processor([trained.processor.sample(sequence)], [prompt])
    if not candidates:
        generated = trained.model.generate(**inputs, max_new_tokens=max_new_tokens, do_sample=False)
        print(trained.processor.decode(generated, inputs["input_ids"].shape[1])[0])
        return
    ids = trained.processor.candidate_token_ids(candidates)
    scores = trained.model.label_log_likelihoods(candidate_token_ids=ids, **inputs)[0]
    ranked = sorted(zip(scores.softmax(-1).tolist(), candidates, strict=True), reverse=True)
    print(ranked[0][1])
    for probability, label in ranked[:5]:
        print(f"  {probability:6.1%}  {label}")
