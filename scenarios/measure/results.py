"""From the samples of a measurement to medians, intervals and verdicts; nothing else is asked."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from scenarios.measure.statistics import interval, ratios
from scenarios.record.measured import Comparison, Interval, Measurement, Results, Sample, Summary

_GIGABIT = 1e9
Value = Callable[[Sample], float]


def results(measured: Measurement) -> Results:
    """All drivers, and each of them against the first one.

    Every driver has a sample of every round. Raises ValueError for too few rounds.
    """
    names = [way.name for way in measured.ways]
    return Results(
        drivers=[_summary(measured, name) for name in names],
        pairs=[compared(measured, name, names[0]) for name in names[1:]],
    )


def _throughput(sample: Sample) -> float:
    return sample.bits_per_second


def _rtt(sample: Sample) -> float:
    return median(sample.rtts_ms)


def _loaded_rtt(sample: Sample) -> float:
    return sample.loaded_rtt_ms


def _cpu(sample: Sample) -> float:
    return sum(sample.cpu_seconds.values()) / (sample.bits / _GIGABIT)


def _retransmits(sample: Sample) -> float:
    return sample.retransmits / (sample.bits / _GIGABIT)


def _of(measured: Measurement, name: str) -> list[Sample]:
    return sorted((s for s in measured.samples if s.driver == name), key=lambda s: s.round)


def _summary(measured: Measurement, name: str) -> Summary:
    samples = _of(measured, name)

    def of(value: Value) -> Interval:
        return interval([value(sample) for sample in samples], measured.seed)

    return Summary(
        driver=name,
        bits_per_second=of(_throughput),
        rtt_ms=of(_rtt) if all(sample.rtts_ms for sample in samples) else None,
        loaded_rtt_ms=of(_loaded_rtt),
        cpu_seconds_per_gigabit=of(_cpu),
        retransmits_per_gigabit=of(_retransmits),
        lost_pings=sum(sample.pings - len(sample.rtts_ms) for sample in samples),
    )


def compared(measured: Measurement, name: str, first: str) -> Comparison:
    """A driver against another one. Raises ValueError for too few rounds."""
    samples, others = _of(measured, name), _of(measured, first)

    def of(value: Value) -> Interval:
        these, those = ([value(one) for one in some] for some in (samples, others))
        return interval(ratios(these, those), measured.seed)

    both = [*samples, *others]
    ratio = of(_throughput)
    shown = not ratio.low <= 1 <= ratio.high
    return Comparison(
        driver=name,
        against=first,
        bits_per_second=ratio,
        rtt=of(_rtt) if all(one.rtts_ms for one in both) else None,
        cpu_seconds_per_gigabit=of(_cpu) if all(map(_cpu, both)) else None,
        verdict=("slower" if ratio.median < 1 else "faster") if shown else "no difference shown",
        words=_words(name, first, ratio, shown),
    )


def _words(name: str, first: str, ratio: Interval, shown: bool) -> str:
    low, middle, high = (f"{100 * value:.4g}" for value in (ratio.low, ratio.median, ratio.high))
    if shown:
        return f"{name} carries {middle} % of what {first} does (99 % interval: {low} to {high} %)."
    return (
        f"{name} and {first}: no difference shown in throughput "
        f"(99 % interval of the ratio: {low} to {high} %)."
    )
