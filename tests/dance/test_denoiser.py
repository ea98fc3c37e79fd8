"""The denoiser: its published size, positions in time, music and no music, files, and checkpoints of EDGE."""

import sys
import types

import pytest
import torch
from edge_reference import Checkpointed

from skeletonllm.dance.attention import Attention, rotate
from skeletonllm.dance.denoiser import PRESETS, Denoiser, DenoiserConfig
from skeletonllm.dance.edge_checkpoint import load_edge_checkpoint

# float32 sums in another order.
ROUNDING = {"atol": 1e-5, "rtol": 1e-4}
SMALL = DenoiserConfig(width=32, layers=2, heads=4, feed_forward=48, music_features=5, frames=12)


def small_denoiser(seed=0, **changes):
    torch.manual_seed(seed)
    return Denoiser(DenoiserConfig(**{**vars(SMALL), **changes})).eval()


def inputs(batch=2, frames=8, features=5):
    generator = torch.Generator().manual_seed(1)
    motion = torch.randn(batch, frames, 151, generator=generator)
    return motion, torch.tensor([7, 901])[:batch], torch.randn(batch, frames, features, generator=generator)


@pytest.mark.parametrize(("features", "parameters"), [(35, 47_024_791), (4800, 49_464_471)], ids=["35", "jukebox"])
def test_the_preset_edge_has_the_published_number_of_parameters(features, parameters):
    with torch.device("meta"):
        denoiser = Denoiser.from_preset("edge", music_features=features)
    assert sum(parameter.numel() for parameter in denoiser.parameters()) == parameters


def test_a_dance_without_noise_is_predicted_and_every_weight_learns_from_it():
    denoiser = Denoiser.from_preset("tiny")
    motion, times, music = inputs(features=35)
    heard = denoiser.listen(music, torch.tensor([True, False]))
    predicted = denoiser(motion, times, heard)
    assert predicted.shape == motion.shape
    predicted.square().sum().backward()
    still = [name for name, parameter in denoiser.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert not still


def test_the_prediction_depends_on_time_on_the_music_of_each_frame_and_on_nothing_of_other_clips():
    denoiser = small_denoiser()
    motion, times, music = inputs()
    predicted = denoiser(motion, times, denoiser.listen(music))
    assert not torch.allclose(predicted, denoiser(motion, times - 5, denoiser.listen(music)), **ROUNDING)
    other = music.clone()
    other[0, 3] += 1
    changed = denoiser(motion, times, denoiser.listen(other))
    assert not torch.allclose(predicted[0], changed[0], **ROUNDING)
    torch.testing.assert_close(predicted[1], changed[1], **ROUNDING)


def test_clips_that_are_not_kept_hear_what_stands_for_no_music():
    denoiser = small_denoiser()
    motion, times, music = inputs()
    mixed = denoiser(motion, times, denoiser.listen(music, torch.tensor([True, False])))
    heard = denoiser(motion, times, denoiser.listen(music))
    unheard = denoiser(motion, times, denoiser.no_music(2, 8))
    torch.testing.assert_close(mixed[0], heard[0], **ROUNDING)
    torch.testing.assert_close(mixed[1], unheard[1], **ROUNDING)
    assert not torch.allclose(heard, unheard, **ROUNDING)


def test_rotary_attention_depends_on_distances_in_time_alone():
    torch.manual_seed(2)
    queries, keys = torch.randn(6, 16, dtype=torch.double), torch.randn(6, 16, dtype=torch.double)
    positions = torch.arange(6)
    scores = rotate(queries, positions) @ rotate(keys, positions).T
    moved = rotate(queries, positions + 40) @ rotate(keys, positions + 40).T
    # Angles are float32: 46 radians have a rounding of 4e-6.
    torch.testing.assert_close(scores, moved, atol=1e-4, rtol=0)
    assert not torch.allclose(scores, rotate(queries, positions + 1) @ rotate(keys, positions).T, atol=0.1)
    x, y = torch.randn(1, 6, 16), torch.randn(1, 6, 16)
    for rotary, invariant in (("heads", True), ("inputs", False)):
        attention = Attention(16, 2, 0.0, rotary)
        early, late = attention(x, y, positions, positions), attention(x, y, positions + 40, positions + 40)
        assert torch.allclose(early, late, atol=1e-4) == invariant
        assert not torch.allclose(early, attention(x, y, positions, positions.flip(0)), atol=1e-3)


def test_a_denoiser_is_saved_and_loaded(tmp_path):
    denoiser = small_denoiser()
    denoiser.save(tmp_path)
    loaded = Denoiser.load(tmp_path)
    motion, times, music = inputs()
    assert loaded.config == denoiser.config and not loaded.training
    assert torch.equal(loaded(motion, times, loaded.listen(music)), denoiser(motion, times, denoiser.listen(music)))
    small_denoiser(width=16).save(tmp_path / "other")
    (tmp_path / "denoiser.json").write_bytes((tmp_path / "other" / "denoiser.json").read_bytes())
    with pytest.raises(ValueError, match="denoiser.safetensors: not the weights"):
        Denoiser.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="denoiser.safetensors: no such file"):
        Denoiser.load(tmp_path / "nowhere")


def test_what_does_not_fit_a_denoiser_is_refused():
    denoiser = small_denoiser()
    motion, times, music = inputs()
    with pytest.raises(ValueError, match=r"music has shape \(2, 8, 4\), expected \(B, T, 5\)"):
        denoiser.listen(music[..., 1:])
    with pytest.raises(ValueError, match="music has 13 frames, a window from 1 to 12; longer dances"):
        denoiser.listen(torch.zeros(1, 13, 5))
    with pytest.raises(ValueError, match=r"music has \(2, 7\) clips and frames, the motion \(2, 8\)"):
        denoiser(motion, times, denoiser.listen(music[:, 1:]))
    with pytest.raises(ValueError, match="width 36 of a denoiser is not divisible by twice its 8 heads"):
        DenoiserConfig(width=36)
    with pytest.raises(ValueError, match=f"unknown preset 'huge', expected one of {', '.join(PRESETS)}"):
        Denoiser.from_preset("huge")


@pytest.fixture
def edge_classes(monkeypatch):
    """The two classes of EDGE's code that a checkpoint names, importable while it is written."""
    made = {}
    for module, name in (("dataset", None), ("dataset.preprocess", "Normalizer"), ("dataset.scaler", "MinMaxScaler")):
        monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
        if name:
            made[name] = type(name, (), {"__module__": module})
            setattr(sys.modules[module], name, made[name])
    return made


def save_checkpoint(path, reference, classes, **changes):
    scaler = classes["MinMaxScaler"]()
    low, span = torch.linspace(-2, 1, 151), torch.linspace(0.5, 3, 151)
    span[5] = 0.0
    # As EDGE fits it: a channel that never changes counts as one of span 1.
    scaler.scale_ = 2 / torch.where(span == 0, 1.0, span)
    scaler.data_min_, scaler.min_ = low, -1 - low * scaler.scale_
    normalizer = classes["Normalizer"]()
    normalizer.scaler = scaler
    state = reference.checkpoint_state()
    saved = {
        "ema_state_dict": state,
        "model_state_dict": {name: value + 1 for name, value in state.items()},
        "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 4e-4}]},
        "normalizer": normalizer,
    }
    torch.save({**saved, **changes}, path)
    return scaler


def test_a_checkpoint_of_edge_predicts_here_what_it_predicts_there(tmp_path, edge_classes):
    torch.manual_seed(3)
    reference = Checkpointed().eval()
    scaler = save_checkpoint(tmp_path / "train-2000.pt", reference, edge_classes)
    denoiser, normalizer = load_edge_checkpoint(tmp_path / "train-2000.pt")
    motion, times, music = inputs()
    with torch.no_grad():
        heard = denoiser(motion, times, denoiser.listen(music))
        unheard = denoiser(motion, times, denoiser.no_music(2, 8))
        # Weights of 0.3 make values of some ten through six layers.
        torch.testing.assert_close(heard, reference(motion, music, times, True), atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(unheard, reference(motion, music, times, False), atol=1e-3, rtol=1e-3)
    values = torch.rand(4, 151) * 2 - 1
    wanted = (values - scaler.min_) / scaler.scale_
    torch.testing.assert_close(normalizer.denormalize(values), wanted, atol=1e-5, rtol=0)
    last = load_edge_checkpoint(tmp_path / "train-2000.pt", ema=False).denoiser
    torch.testing.assert_close(last.motion_in.weight, denoiser.motion_in.weight + 1)


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


def test_what_is_no_checkpoint_of_edge_is_refused_without_running_it(tmp_path, edge_classes):
    path = tmp_path / "train.pt"
    reference = Checkpointed()
    with pytest.raises(FileNotFoundError, match="train.pt: no such file"):
        load_edge_checkpoint(path)
    path.write_bytes(b"no pickle at all")
    with pytest.raises(ValueError, match="train.pt: not a checkpoint of EDGE"):
        load_edge_checkpoint(path)
    save_checkpoint(path, reference, edge_classes, normalizer=Harmful())
    with pytest.raises(ValueError, match="train.pt: .* without running code: it names .*exec"):
        load_edge_checkpoint(path)
    torch.save({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"holds \['weights'\], expected \['ema_state_dict', 'normalizer'\]"):
        load_edge_checkpoint(path)
    save_checkpoint(path, reference, edge_classes, ema_state_dict={"other.weight": torch.zeros(2)})
    with pytest.raises(ValueError, match="motion_in.weight, music_in.weight"):
        load_edge_checkpoint(path)
    state = reference.checkpoint_state()
    del state["module.seqTransDecoder.stack.1.film2.block.1.bias"]
    save_checkpoint(path, reference, edge_classes, ema_state_dict=state)
    with pytest.raises(ValueError, match="layers.1.films.1.block.1.bias"):
        load_edge_checkpoint(path)
    state = reference.checkpoint_state()
    state["module.input_projection.weight"] = torch.zeros(31, 151)
    save_checkpoint(path, reference, edge_classes, ema_state_dict=state)
    with pytest.raises(ValueError, match=r"train.pt: .* has shapes \(31, 151\)"):
        load_edge_checkpoint(path)
    save_checkpoint(path, reference, edge_classes, normalizer={"scale_": 1})
    with pytest.raises(ValueError, match="the normalizer holds no scale and minimum of 151 channels"):
        load_edge_checkpoint(path)
