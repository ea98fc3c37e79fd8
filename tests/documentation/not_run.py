"""What no test runs as it stands, each with the reason and the test that holds what it does."""

import re
from dataclasses import dataclass

from fenced_blocks import Block, Command


@dataclass(frozen=True)
class Left:
    """A command or a block that is left out.

    Args:
        pattern: found in its text.
        reason: why it is not run.
        test: ``path::name`` of the test.
    """

    pattern: str
    reason: str
    test: str


NOT_RUN = (
    Left(
        r"^make demo($| )",
        "installs, then trains for minutes; short here",
        "tests/cli/test_demo.py::test_the_demo_writes_pictures_results_and_a_report_of_every_stage",
    ),
    Left(
        r"^make demo-dance",
        "installs, then trains for many minutes; short here",
        "tests/cli/test_dance_demo.py::test_a_short_demonstration_trains_fine_tunes_measures_and_writes",
    ),
    Left(
        r"^make test",
        "is this run",
        "tests/documentation/test_docs_commands.py::test_make_knows_what_the_documentation_asks_of_it",
    ),
    Left(
        r"^make tiny-model",
        "trains for an hour, into the package",
        "tests/cli/test_shipped_model.py::test_shipping_rounds_the_backbone_alone_and_replaces_what_was_there",
    ),
    Left(
        r"pip install ",
        "needs a network",
        "tests/documentation/test_docs_commands.py::test_pip_is_asked_for_extras_that_there_are",
    ),
    Left(
        r" --push ",
        "uploads",
        "tests/documentation/test_docs_commands.py::test_what_is_uploaded_is_the_folder_private_at_first",
    ),
    Left(
        r"^python -m pytest tests/faults",
        "is part of this run",
        "tests/faults/test_killed.py::test_a_rank_killed_in_any_phase_of_a_step_ends_the_job_and_loses_nothing",
    ),
    Left(
        r"random_kills\.py --kills 100",
        "takes an hour; its test does the same",
        "tests/faults/test_random_kills.py::test_a_hundred_kills_under_both_engines_lose_and_double_no_sample",
    ),
    Left(
        r"^python benchmarks/train_step\.py$",
        "needs a GPU; small here",
        "tests/benchmarks/test_train_step.py::test_the_script_writes_a_row_for_the_kernels_and_one_for_the_loop",
    ),
    Left(
        r"benchmarks/newcomer\.py FILE",
        "installs the package from a registry; what it times is what the first lines of the README say, which are run",
        "tests/documentation/test_docs_commands.py::test_a_command_ends_well",
    ),
    Left(
        r"^python -m pytest tests/models -k idefics3",
        "needs an installed package that brings the family",
        "tests/test_extending.py::test_a_run_with_a_task_a_backbone_and_a_renderer_of_ones_own_learns_and_is_tested",
    ),
    Left(
        r"^sh tests/gpu/run\.sh",
        "needs a GPU",
        "tests/documentation/test_docs_commands.py::test_the_script_for_gpus_starts_programs_that_there_are",
    ),
    Left(
        r"^deepspeed --hostfile",
        "needs two machines with ssh; on one here",
        "tests/training/test_parallel.py::test_two_processes_do_what_one_does",
    ),
    Left(
        r"import anny_mesh, smplx_mesh",
        "needs packages and files under licences of their own",
        "tests/dance/test_body_models.py::test_the_joints_of_the_skin_are_those_of_the_body_in_any_pose",
    ),
)


def is_left_out(part: Command | Block, left: Left) -> bool:
    """Whether it is one of these; the comment of a command does not count."""
    text = re.split(r"\s+#\s", part.text)[0] if isinstance(part, Command) else part.text
    return re.search(left.pattern, text) is not None


def is_run(part: Command | Block) -> bool:
    """Whether nothing above leaves it out."""
    return not any(is_left_out(part, left) for left in NOT_RUN)
