"""skeletonllm rehearse: what it prints, and what it refuses."""

import json

ARGUMENTS = ("rehearse", "--ranks", 16, "--ranks", 8, "--backbone", "OpenGVLab/InternVL3-1B-hf", "--steps", 3)
SMALL = (
    "optimization.batch_size=16",
    "data.options.labels=[walk, squat]",
    "data.options.performers=9",
)


def test_what_is_counted_measured_assumed_and_estimated_is_told_apart(run):
    code, printed, error = run(*ARGUMENTS, *SMALL)
    assert code == 0 and not error
    counted, estimated = printed.split("Estimated:")
    estimated, assumed = estimated.split("Assumed, measured here, and estimated:")
    for claim in ("no GPU took part", "disjoint, complete", "0 to 1 on 16, 1 to 2 on 8, 2 to 3 on 16", "a checkpoint:"):
        assert claim in counted, claim
    for row in ("bottleneck", "minutes lost per failure", "steps between saves at best", "preparing samples"):
        assert row in estimated, row
    for source in ("assumed: one process writes 1 GB/s", "measured here", "Llama 3", "Daly"):
        assert source in assumed, source
    assert "takes no time" not in assumed


def test_json_holds_the_same_and_the_disk_is_measured_on_request(run, tmp_path):
    code, printed, error = run(*ARGUMENTS, *SMALL, "--json", "--disk-folder", tmp_path, "--zero", 3)
    assert code == 0 and not error
    found = json.loads(printed)
    assert str(tmp_path) in found["circumstances"]["disk"]["source"]
    assert [cluster["world_size"] for cluster in found["clusters"]] == [16, 8]
    assert all(cluster["bottleneck"] in cluster["seconds"] for cluster in found["clusters"])
    assert found["clusters"][0]["weights"]["most"] > 0


def test_a_batch_that_ranks_cannot_share_is_refused_in_one_line(run):
    code, printed, error = run(*ARGUMENTS, *SMALL, "optimization.batch_size=20")
    assert code == 2 and not printed
    assert error == "skeletonllm: batch_size 20 cannot be shared evenly by 16 processes\n"
