"""Pieces of HTML that tabs are made of. Whatever comes from outside is escaped."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from skeletonllm.serving.queue import Update
from skeletonllm.serving.simulating import Attempt

# Metrics that are shown of a dance: what they are called, with how many decimals, and whether less is better.
_METRICS = {
    "penetration_rate": ("limbs that overlap, pairs per frame", 2, True),
    "foot_ground_distance": ("feet off the floor, mm", 1, True),
    "foot_skating": ("skating feet, %", 1, True),
    "beat_alignment_music": ("beat alignment", 3, False),
    "motion_magnitude": ("motion, 1/s", 2, None),
}


def facts_card(name: str, facts: Mapping) -> Markup:
    """What was understood of a recording, as ``skeletonllm inspect`` tells it."""
    extent = facts["extent"]
    rows = {
        "format": facts["format"],
        "skeleton": facts["topology"],
        "persons": facts["persons"],
        "frames": f"{facts['frames']} at {facts['fps']:g} per second, {facts['seconds']:.2f} s",
        "units": facts["units"],
        "extent": f"{extent['x']:.2f} × {extent['y']:.2f} × {extent['z']:.2f} m",
        "missing joints": f"{facts['missing_joints']:.1%}",
        "label": facts["label"] or "–",
    }
    listed = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(key, value) for key, value in rows.items())
    notes = _listed(facts["notes"])
    noted = Markup('<div class="notes"><b>What its reader says</b>{}</div>').format(notes) if notes else ""
    return Markup('<article class="card"><h4><bdi>{}</bdi></h4><dl>{}</dl>{}</article>').format(name, listed, noted)


def warning(title: object, lines: Sequence[object] = ()) -> Markup:
    """What went wrong."""
    return Markup('<div class="warning" role="alert"><b>{}</b>{}</div>').format(title, _listed(lines))


def remark(text: object) -> Markup:
    """A sentence beside the matter."""
    return Markup('<p class="remark">{}</p>').format(text)


def doing(update: Update) -> Markup:
    """How far some work is."""
    if update.place is not None:
        return Markup('<div class="doing">waiting: {} before you<progress></progress></div>').format(update.place)
    share = Markup("") if update.share is None else Markup(' value="{:.3f}"').format(update.share)
    return Markup('<div class="doing">{}<progress{}></progress></div>').format(update.doing or "working", share)


def bars(shares: Mapping[str, float]) -> Markup:
    """Probabilities, the likeliest first."""
    rows = (
        Markup('<div class="bar"><bdi>{0}</bdi><i><u style="width:{1:.2f}%"></u></i><b>{1:.1f} %</b></div>').format(
            label, 100 * share
        )
        for label, share in shares.items()
    )
    return Markup('<div class="bars">{}</div>').format(Markup("").join(rows))


def metrics_table(metrics: Mapping[str, Sequence[float | None]], columns: Sequence[str]) -> Markup:
    """Numbers of a dance as it was made and after something, those marked that are better than at first."""
    heads = Markup("").join(Markup("<th>{}</th>").format(column) for column in columns)
    rows = []
    for name, values in metrics.items():
        called, decimals, less = _METRICS[name]
        first, cells = values[0], []
        for value in values:
            better = less is not None and None not in (first, value) and (value < first if less else value > first)
            # What reads alike is not better.
            better = better and f"{value:.{decimals}f}" != f"{first:.{decimals}f}"
            text = "–" if value is None else f"{value:.{decimals}f}"
            cells.append(Markup("<td{}>{}</td>").format(Markup(' class="better"') if better else "", text))
        rows.append(Markup("<tr><th>{}</th>{}</tr>").format(called, Markup("").join(cells)))
    return Markup('<table class="metrics"><tr><th></th>{}</tr>{}</table>').format(heads, Markup("").join(rows))


def attempt_card(attempt: Attempt) -> Markup:
    """What became of a simulated body that tried a dance."""
    if attempt.motion is None:
        return warning("No body could be simulated", [attempt.problem])
    whole = f"of {attempt.seconds:.1f} s"
    fell = "" if attempt.fall_time is None else f"no, it fell after {attempt.fall_time:.1f} s {whole}"
    rows = {
        "got through it": fell or attempt.problem or f"yes, all {whole}",
        "survived": f"{attempt.survival:.0%}",
        "joints away from the dance": f"{100 * attempt.tracking_error:.1f} cm",
        "reward": f"{attempt.reward:.3f} of 1",
        "plausibility": f"{attempt.plausibility:.3f} of 1",
        "help": f"{attempt.help:.0%} of its weight, at most {attempt.most_help:.0%} along each axis",
    }
    listed = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(key, value) for key, value in rows.items())
    return Markup('<article class="card"><h4>The simulated body</h4><dl>{}</dl></article>').format(listed)


def picture(address: str, text: str) -> Markup:
    """A picture of a guest; contact sheets are scrolled where there is little room."""
    kind = "sheets" if address.endswith(".png") else "films"
    return Markup('<div class="{}"><img class="sheet" src="{}" alt="{}"></div>').format(kind, address, text)


def view_frame(address: str, title: str, height: int = 460) -> Markup:
    """A page of a guest within the app, kept apart from it: it has its own scripts and no one else's."""
    form = (
        '<iframe class="view" src="{}" title="{}" sandbox="allow-scripts" allow="autoplay" '
        'style="height:{}px"></iframe>'
    )
    return Markup(form).format(address, title, height)


def downloads(files: Mapping[str, str]) -> Markup:
    """Links that save files: addresses by what is written on the link."""
    links = (
        Markup('<a class="download" href="{}" download>{}</a>').format(where, text) for text, where in files.items()
    )
    return Markup('<div class="downloads">{}</div>').format(Markup("").join(links))


def _listed(lines: Sequence[object]) -> Markup:
    if not lines:
        return Markup("")
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(escape(line)) for line in lines))
