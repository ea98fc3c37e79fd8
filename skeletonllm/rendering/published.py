"""The released renderer, number for number: its geometry, its appearance law and its two topologies.

Differences to the default renderer: features belong to Gaussian indices of the Kinect v2 skeleton (a SMPL skeleton
gets them by interpolation over the index), velocities are metres per four source frames, depth colours span each
person and frame, the camera stands at the sensor and mirrors, and the Gaussians are thin.
"""

from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import interpolate

from skeleton_kernels import skin, splat_bones
from skeletonllm.rendering.camera import published_intrinsics
from skeletonllm.rendering.completion import of_joints
from skeletonllm.rendering.draction import DrAction
from skeletonllm.rendering.gaussians import GaussianTable, stack_tables
from skeletonllm.rendering.weights import load_published_tensors, save_published_tensors
from skeletonllm.skeleton.topologies import KINECT_V2, SMPL_22

# The SMPL skeleton is drawn thinner along bones than at joints, and with more samples on longer bones.
SMPL_JOINT_SCALE, SMPL_BONE_SCALE = 0.026, 0.016
# Where the published figures put a SMPL body: its median joint on the optical axis. (The published training code puts
# it at 2.5 m without centring x; a body beside the axis then leaves the picture.)
SMPL_DISTANCE = 1.8
SMPL_MOST_SAMPLES, SMPL_FEWEST_SAMPLES = 24, 2
NEAREST_DEPTH = 1e-4


def lower_median(values: torch.Tensor) -> torch.Tensor:
    """The lower of the two middle values, which is what ``torch.median`` returns."""
    return values.median() if values.numel() else values.new_zeros(())


def depth_colors(depth: torch.Tensor) -> torch.Tensor:
    """(..., ) relative depth in [0, 1] to (..., 3): near is blue, the middle green, far red."""
    return torch.stack([depth, 1 - 2 * (depth - 0.5).abs(), 1 - depth], dim=-1).clamp(0, 1)


class PublishedDrAction(DrAction):
    """DrAction with released weights, which knows no confidence; tensor names are those of the weight files."""

    def __init__(self, modulator: str = "mlp", num_gaussians: int = 265, samples_per_bone: int = 10):
        nn.Module.__init__(self)
        self.settings = dict(
            published=True, modulator=modulator, num_gaussians=num_gaussians, samples_per_bone=samples_per_bone
        )
        joints = KINECT_V2.num_joints
        self.register_buffer("canonical_joints", torch.zeros(joints, 3))
        self.register_buffer("canonical_means", torch.zeros(num_gaussians, 3))
        self.register_buffer("canonical_scales", torch.full((num_gaussians, 3), 0.02))
        self.register_buffer("lbs_weights_logits", torch.zeros(num_gaussians, joints))
        self.canonical_features = nn.Parameter(torch.empty(num_gaussians, 3))
        self.appearance_head = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 4))
        self.temporal_gru = nn.GRU(10, 10, batch_first=True) if modulator == "gru" else None
        self.nfm = None
        if modulator != "none":
            self.nfm = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 5))
        self.depth_mix_logit = nn.Parameter(torch.empty(1))
        self.reset_parameters()

    @classmethod
    def load(cls, path, check: bool = True) -> "PublishedDrAction":
        """From a weight file; see ``DrAction.from_published``."""
        tensors = load_published_tensors(path, check)
        if tensors["lbs_weights_logits"].shape[1] != KINECT_V2.num_joints:
            found = tensors["lbs_weights_logits"].shape[1]
            raise ValueError(f"{path}: weights for {found} joints, expected {KINECT_V2.num_joints} ({KINECT_V2.name})")
        recurrent = any(key.startswith("temporal_gru.") for key in tensors)
        modulator = "gru" if recurrent else "mlp" if "nfm.0.weight" in tensors else "none"
        gaussians = len(tensors["canonical_features"])
        samples = (gaussians - KINECT_V2.num_joints) // len(KINECT_V2.bones)
        renderer = cls(modulator, gaussians, samples)
        # Identity rotations and ones, never read by the published code either.
        tensors = {key: t for key, t in tensors.items() if key not in ("canonical_quats", "canonical_opacities")}
        tensors["depth_mix_logit"] = tensors["depth_mix_logit"].reshape(1)  # a number without a dimension in the file
        try:
            renderer.load_state_dict(tensors)
        except RuntimeError as error:
            raise ValueError(f"{path}: {error}") from error
        return renderer

    def save_published(self, path: Path, **facts) -> None:
        """Write a weight file that ``load`` and the published code read.

        Args:
            path: of the safetensors file; a manifest is written beside it.
            facts: see ``skeletonllm.rendering.weights.save_published_tensors``.
        """
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in self.state_dict().items()}
        tensors["depth_mix_logit"] = tensors["depth_mix_logit"].reshape(())
        tensors["canonical_quats"] = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(len(self.canonical_means), 1)
        tensors["canonical_opacities"] = torch.ones(len(self.canonical_means), 1)
        save_published_tensors(path, tensors, num_line_samples=self.settings["samples_per_bone"], **facts)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """The published start values."""
        nn.init.normal_(self.canonical_features, std=0.01)
        for block, bias_std in ((self.appearance_head, 0.1), (self.nfm, 0.01)):
            for layer in (block[0], block[2]) if block is not None else ():
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.normal_(layer.bias, std=bias_std)
        if self.nfm is not None:
            self.nfm[2].bias[4] = 0.0
        if self.temporal_gru is not None:
            self.temporal_gru.reset_parameters()
        nn.init.constant_(self.depth_mix_logit, -0.5)

    def _draw(self, *scene) -> torch.Tensor:
        *_, height, width, backend = scene
        return splat_bones(*self._bodies(*scene), (height, width), backend=backend)

    def _bodies(self, joints, velocities, valid, confidence, topologies, height, width, backend):
        unknown = {t.name for t in topologies} - {KINECT_V2.name, SMPL_22.name}
        if unknown:
            raise ValueError(f"published weights draw {KINECT_V2.name} and {SMPL_22.name}, not {', '.join(unknown)}")
        present = valid.any(-1) & (joints.abs().sum((-1, -2)) > 0)  # (B, N, P)
        joints = torch.stack([_place(*clip) for clip in zip(joints, present, topologies, strict=True)])
        sets = [self._gaussians(*clip) for clip in zip(joints, present, topologies, strict=True)]
        table, real = stack_tables([one[0] for one in sets], joints.device)
        longest = real.shape[1]
        offsets, features = (
            torch.stack([nn.functional.pad(one[i], (0, 0, 0, longest - len(one[i]))) for one in sets]) for i in (1, 2)
        )
        drawn = (present[..., None] & real[:, None, None]).expand(*present.shape, longest)
        drawn = drawn & _both_known(valid, present, table)
        colors, opacities = self._look(joints, velocities, drawn, table, offsets, features)
        intrinsics = published_intrinsics(height, width).to(joints)
        return joints, table.skin_index, table.skin_weight, offsets, table.scales, colors, opacities, intrinsics

    def _look(self, joints, velocities, drawn, table, offsets, features) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (B, N, P, K, 3) and opacities (B, N, P, K); the opacity passes two sigmoids, as published."""
        # The depth colours of `skin` span fixed metres, those of the release what each person spans.
        blended, motions, _ = skin(
            joints, velocities, table.skin_index, table.skin_weight, joints.new_zeros(len(joints)), 1.0
        )
        logits = self.appearance_head(features)[:, None, None].expand(*drawn.shape, 4)
        rgb, opacities = torch.sigmoid(logits).split((3, 1), dim=-1)
        opacities = opacities[..., 0]
        if self.nfm is not None:
            inputs = torch.cat([blended, motions, logits], dim=-1)
            changes = torch.nan_to_num(self.nfm(self._remember(inputs)), nan=0.0)
            rgb = (rgb + changes[..., :3]).clamp(0, 1)
            opacities = torch.sigmoid(opacities + changes[..., 3]) * torch.sigmoid(changes[..., 4])
        depth = (blended + offsets[:, None, None])[..., 2].clamp(min=NEAREST_DEPTH)
        near = depth.masked_fill(~drawn, torch.inf).amin(-1, keepdim=True)
        far = depth.masked_fill(~drawn, -torch.inf).amax(-1, keepdim=True)
        relative = ((depth - near) / (far - near + 1e-6)).masked_fill(~drawn, 0.0)
        mix = torch.sigmoid(self.depth_mix_logit)
        colors = (1 - mix) * rgb + mix * depth_colors(relative)
        return colors, opacities * drawn

    def _remember(self, inputs: torch.Tensor) -> torch.Tensor:
        """The GRU's outputs over the frames of each Gaussian, if these weights have one."""
        if self.temporal_gru is None:
            return inputs
        batch, frames, persons, gaussians, width = inputs.shape
        sequences = inputs.permute(0, 2, 3, 1, 4).reshape(-1, frames, width)
        outputs = self.temporal_gru(sequences)[0]
        return outputs.reshape(batch, persons, gaussians, frames, width).permute(0, 3, 1, 2, 4)

    def _gaussians(self, joints, present, topology) -> tuple[GaussianTable, torch.Tensor, torch.Tensor]:
        """The table, the (K, 3) offsets and the (K, 3) features of one clip, (N, P, J, 3) joints placed."""
        if topology == KINECT_V2:
            # Two joints carry all but 1e-7 of each row's softmax.
            weight, index = self.lbs_weights_logits.softmax(-1).topk(2, dim=-1)
            offsets = self.canonical_means - torch.einsum("ki,kic->kc", weight, self.canonical_joints[index])
            return _table(index, weight, self.canonical_scales[:, 0]), offsets, self.canonical_features
        index, weight, scales, bone_gaussians = _smpl_samples(joints, present)
        joint_bank, bone_bank = self.canonical_features.split(
            [KINECT_V2.num_joints, len(self.canonical_features) - KINECT_V2.num_joints]
        )
        features = torch.cat([_resample(joint_bank, SMPL_22.num_joints), _resample(bone_bank, bone_gaussians)])
        return _table(index, weight, scales), joints.new_zeros(len(scales), 3), features


def _table(index, weight, scales) -> GaussianTable:
    nothing = torch.zeros_like(scales)  # regions mean nothing here
    return GaussianTable(index, weight, scales, nothing.long(), nothing)


def _both_known(valid, present, table) -> torch.Tensor:
    """(B, N, P, K) whether the joints that a Gaussian follows are known; joint Gaussians follow one alone."""
    known = of_joints(valid, table.skin_index) | (table.skin_weight < 1e-3)[:, None, None]
    return known.all(-1) & present[..., None]


def _resample(bank: torch.Tensor, count: int) -> torch.Tensor:
    """(n, C) features to (count, C), linear over the index with both ends kept."""
    return interpolate(bank.T[None], size=count, mode="linear", align_corners=True)[0].T


def _place(joints: torch.Tensor, present: torch.Tensor, topology) -> torch.Tensor:
    """One clip (N, P, J, 3) in front of the published camera."""
    bodies = joints[present][:, : topology.num_joints]
    if topology == KINECT_V2:
        if bodies.numel() and lower_median(bodies[..., 2]).abs() < 0.5:
            joints = joints + torch.where(present[..., None, None], joints.new_tensor([0.0, 0.0, 1.0]), 0.0)
        return joints
    middle = torch.stack([lower_median(bodies[..., axis]) for axis in range(3)])
    return joints + (joints.new_tensor([0.0, 0.0, SMPL_DISTANCE]) - middle)


def _smpl_samples(joints: torch.Tensor, present: torch.Tensor):
    """Skin indices, weights and scales of a SMPL clip, and how many Gaussians lie on bones.

    Longer bones get more samples: round(24 L / Lmax), at least 2, by the lengths in the first frame that shows
    somebody. (The published code takes the first sampled frame, which there always does.)
    """
    shown = present.nonzero()
    pose = joints[tuple(shown[0])] if len(shown) else joints[0, 0]
    bones = torch.tensor(SMPL_22.bones)
    lengths = (pose[bones[:, 0]] - pose[bones[:, 1]]).detach().norm(dim=-1)
    counts = torch.round(SMPL_MOST_SAMPLES * lengths / lengths.max().clamp(min=1e-6))
    pairs = [(joint, joint) for joint in range(SMPL_22.num_joints)]
    fractions = [0.0] * SMPL_22.num_joints
    for bone, count in zip(
        SMPL_22.bones, counts.clamp(SMPL_FEWEST_SAMPLES, SMPL_MOST_SAMPLES).int().tolist(), strict=True
    ):
        pairs += [bone] * count
        fractions += [sample / (count + 1) for sample in range(1, count + 1)]
    fraction = joints.new_tensor(fractions)
    on_bones = len(pairs) - SMPL_22.num_joints
    scales = joints.new_tensor([SMPL_JOINT_SCALE] * SMPL_22.num_joints + [SMPL_BONE_SCALE] * on_bones)
    index = torch.tensor(pairs, device=joints.device)
    return index, torch.stack([1 - fraction, fraction], dim=-1), scales, on_bones
