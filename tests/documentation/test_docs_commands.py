"""Every command of the documentation is run, as it stands there but for what ``as_run`` changes."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from as_run import PLACEHOLDERS, SMALL, as_run
from fenced_blocks import PAGES, ROOT, Command, all_blocks, all_commands, spans_of
from given import GIVEN, INSTEAD
from not_run import NOT_RUN, is_left_out, is_run
from running import is_ours_alone, run_line
from stage_names import NAMES, names_in
from story import STORIES

# Ours, but of more than five seconds.
LONG = re.compile(
    r"skeletonllm (study (?!.*(--list|--table))|rehearse|robustness|inspect --gallery FOLDER|evaluate .*assets"
    r"|dance (report|finetune|judge|imitate|generate .*--count))"
)
COMMANDS = [command for command in all_commands() if command.page not in STORIES]


def parameter(command: Command):
    long = not is_ours_alone(command.text) or LONG.search(command.text)
    return pytest.param(command, id=command.id, marks=[pytest.mark.slow] if long else [])


@pytest.mark.parametrize("command", [parameter(command) for command in COMMANDS if is_run(command)])
def test_a_command_ends_well(command, stage, workplace):
    line = as_run(command, stage)
    run_line(line, workplace(line), stage)


def test_a_wrong_command_does_not(stage, workplace):
    for line in ("skeletonllm inspect gone.bvh", "skeletonllm inspect walk.bvh --nowhere", "false | cat", "gone"):
        with pytest.raises(AssertionError, match="ended with"):
            run_line(line, workplace(line), stage)
    run_line("skeletonllm inspect walk.bvh", workplace("skeletonllm inspect walk.bvh"), stage)
    with pytest.raises(AssertionError, match="did not write gone.txt"):
        run_line("true -o gone.txt", workplace(""), stage)


@pytest.mark.parametrize("left", NOT_RUN, ids=lambda left: left.pattern)
def test_what_is_left_out_is_still_in_the_documentation_and_has_a_test(left):
    parts = [*all_commands(), *all_blocks()]
    assert any(is_left_out(part, left) for part in parts), "nothing in the documentation needs this any more"
    path, _, name = left.test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), left.test


def test_make_knows_what_the_documentation_asks_of_it():
    targets = {found[1] for command in all_commands() if (found := re.match(r"make ([\w-]+)", command.text))}
    assert targets
    subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, check=True, capture_output=True)


def test_pip_is_asked_for_extras_that_there_are():
    asked = {extra for command in all_commands() for extra in re.findall(r"pip install .*\[(\w+)\]", command.text)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert asked and asked <= set(project["optional-dependencies"])


def test_what_is_uploaded_is_the_folder_private_at_first(stage, workplace, monkeypatch):
    asked = []

    class Hub:
        def create_repo(self, repository, **options):
            asked.append((repository, options["private"]))

        def upload_folder(self, **options):
            asked.append((options["repo_id"], options["folder_path"]))

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    (command,) = [each for each in all_commands() if " --push " in each.text]
    line = as_run(command, stage)
    run_line(line, workplace(line), stage)
    assert asked == [("USER/NAME", True), ("USER/NAME", Path("packed"))]


def test_the_script_for_gpus_starts_programs_that_there_are():
    script = ROOT / "tests" / "gpu" / "run.sh"
    subprocess.run(["sh", "-n", str(script)], check=True)
    programs = re.findall(r"^part .* ((?:kernels|benchmarks)/\S+\.py)", script.read_text(), re.MULTILINE)
    assert len(programs) > 3 and all((ROOT / program).is_file() for program in programs)


def test_every_name_that_the_stage_has_is_in_the_documentation():
    text = "\n".join(page.read_text() for page in PAGES)
    assert set(names_in(text)) == set(NAMES)


def test_every_change_to_a_command_or_a_block_is_still_needed():
    lines = [re.split(r"\s#\s", command.text)[0].strip() for command in all_commands() if is_run(command)]
    changed = lines + [re.sub(r"study (\w+)", r"study small/\1.yaml", line) for line in lines]
    for pattern in [pattern for pattern, _ in (*PLACEHOLDERS, *SMALL)]:
        assert any(re.search(pattern, line) for line in changed), pattern
    blocks = [block for block in all_blocks() if block.language == "python"]
    for page, text, _ in GIVEN:
        assert [block for block in blocks if block.page == page and text in block.text], (page, text)
    for text, _ in INSTEAD:
        assert [block for block in blocks if text in block.text], text


def test_programs_that_sentences_name_are_there():
    named = {
        found[1]
        for page in PAGES
        for span in spans_of(page.read_text(), page.name)
        if (found := re.match(r"python3? ([\w/]+\.py)", span.text))
    }
    assert len(named) > 10
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_documentation_has_commands():
    # Pages whose commands are not recognised as such would pass unseen.
    assert len(all_commands()) > 150
