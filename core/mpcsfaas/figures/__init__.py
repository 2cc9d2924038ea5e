"""How a platform did lately: throughput, latency percentiles, queue depth. Pure; for whatever shows them."""

from mpcsfaas.figures.histogram import GROWTH, Histogram
from mpcsfaas.figures.minutes import (
    RATE_SLOTS,
    SLOT,
    SLOTS,
    Ended,
    Figures,
    FunctionFigures,
    Latency,
    Series,
    ended_of,
    latency_of,
)

__all__ = [
    "GROWTH",
    "RATE_SLOTS",
    "SLOT",
    "SLOTS",
    "Ended",
    "Figures",
    "FunctionFigures",
    "Histogram",
    "Latency",
    "Series",
    "ended_of",
    "latency_of",
]
