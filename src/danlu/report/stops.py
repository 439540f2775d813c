"""Where each network stopped and why: a bar for the epochs it trained, a ring at the weights that were kept."""

from __future__ import annotations

from danlu.core.records import Run
from danlu.report import thin, words
from danlu.report.charts import Chart, epochs_axis, finish
from danlu.report.figures import Mark

MOST = 60
"""Networks that are drawn; of more, some evenly among them."""
REASONS = {
    "finished": ("ran to the end", "first"),
    "stopped early": ("stopped early", "third"),
    "interrupted": ("stopped by hand", "grey"),
    "non-finite": ("broke down", "second"),
}
"""How a training ended: in words, and the colour."""


def stops_chart(run: Run) -> Chart | None:
    """Draw the networks from the one that trained longest; None where all of them ran to the same end."""
    import altair as alt  # noqa: PLC0415  only a page needs it

    members = run.members
    if not members or (len({m.epochs for m in members}) == 1 and {m.ended for m in members} == {"finished"}):
        return None
    order = sorted(members, key=lambda m: (-m.epochs, m.index))
    kept = [order[place] for place in thin.even(len(order), MOST)]
    data = {
        "networks": {
            "place": list(range(len(kept))),
            "m": [m.index for m in kept],
            "zero": [0] * len(kept),
            "x": [m.epochs for m in kept],
            "best": [m.best_epoch for m in kept],
            "why": [REASONS[m.ended][0] for m in kept],
        }
    }
    names = list(REASONS.values())
    colours = alt.Scale(domain=[name for name, _ in names], range=[f"var(--{colour})" for _, colour in names])
    x_axis = epochs_axis(0, max(m.epochs for m in kept), grid=True)
    scale = alt.Scale(nice=False, zero=True)
    y = alt.Y("place:O", title=None, sort=None, axis=None, scale=alt.Scale(padding=0))
    base = alt.Chart(alt.NamedData(name="networks"))
    shown = [
        alt.Tooltip("m:Q", title="network"),
        alt.Tooltip("x:Q", title="epochs", format=",d"),
        alt.Tooltip("best:Q", title="weights of epoch", format=",d"),
        alt.Tooltip("why:N", title="ended"),
    ]
    each = 16 if len(kept) <= 20 else 8
    # The domain's words are not translated: colours go by the data's own column, which is not shown.
    data["networks"]["kind"] = data["networks"]["why"]
    ends = base.encode(y=y, color=alt.Color("kind:N", legend=None, scale=colours))
    x = alt.X("x:Q", title="epoch", axis=x_axis, scale=scale)
    layers = [
        ends.mark_bar(size=max(3, each // 3), opacity=0.55).encode(x=x, x2="zero:Q", tooltip=shown),
        ends.mark_point(size=each * 4, filled=False, strokeWidth=1.6, opacity=1).encode(
            x=alt.X("best:Q", title="epoch", axis=x_axis, scale=scale), tooltip=shown
        ),
    ]
    early = sum(m.best_epoch < m.epochs for m in members)
    longest, shortest = order[0].epochs, order[-1].epochs
    span = f"{shortest:,} to {longest:,} epochs" if shortest != longest else words.count(longest, "epoch")
    said = f"Bar: {span}."
    said += " Ring: the epoch whose weights were kept." if early else ""
    said += f" {len(kept)} of {len(members):,} networks are drawn." if len(kept) < len(members) else ""
    return Chart(
        "chart-stops", finish(layers, each * len(kept)), data, f"Where networks stopped. {said}", said, ("why",)
    )


def key(run: Run) -> tuple[Mark, ...]:
    """Return what the colours mean, with how many networks ended so."""
    amounts = {name: sum(m.ended == name for m in run.members) for name in REASONS}
    return tuple(
        Mark(f"{amount:,} {REASONS[name][0]}", REASONS[name][1], "area") for name, amount in amounts.items() if amount
    )
