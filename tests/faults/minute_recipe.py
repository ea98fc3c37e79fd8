"""A recipe of seconds: fifty thousand parameters, pictures of 32 pixels, nine steps."""

# Twelve recordings, so three steps are an epoch. With dropout, so that random numbers count.
MINUTE = dict(
    name="minute",
    data=dict(
        options=dict(
            labels=["raise both arms", "squat", "walk"], performers=4, test_performers=1, topologies=["coco_17"]
        )
    ),
    model=dict(
        num_frames=2,
        renderer=dict(samples_per_bone=2),
        tiny=dict(
            image_size=32, patch_size=8, vision_hidden_size=32, vision_layers=1, hidden_size=32, layers=1, heads=2
        ),
        lora=dict(rank=4, alpha=8, dropout=0.1),
    ),
    augmentation=dict(trim=0.2, yaw=20.0, noise=0.01, missing=0.1),
    optimization=dict(batch_size=4, threads=1),
    stages=dict(learn=dict(train=["renderer", "projector", "lora"], epochs=3, learning_rate=1e-3)),
    log_every=3,
    save_every=2,
    keep_last=10,
    pictures_every=0,
)  # fmt: skip
