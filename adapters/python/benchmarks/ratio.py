"""What the benchmarks print of pairs of times: their ratio, with its bound."""

from __future__ import annotations

import statistics


def is_above(label: str, pairs: list[tuple[float, float]], bound: float | None, scale: float) -> bool:
    """Prints the median of the ratios with / without, with their quartiles, and the median of either side. `pairs` are
    seconds without and with what is measured; times `scale` they are what is printed. Whether the ratio is above."""
    low, median, high = statistics.quantiles([with_ / without for without, with_ in pairs], n=4)
    without, with_ = (statistics.median(side) * scale for side in zip(*pairs, strict=True))
    above = bound is not None and median > bound
    print(
        f"{label} {median:.3f} [{low:.3f} {high:.3f}] {'none' if bound is None else f'{bound:.2f}'}"
        f"; {without:.1f} {with_:.1f}{'  ABOVE ITS BOUND' if above else ''}",
        flush=True,
    )
    return above
