"""Rates from counters: honest about time, and about sources that begin anew."""

from __future__ import annotations

from camera_adapters.source import SourceCounters
from gateway.shard.measure import SourceRates


def test_rates_are_what_was_counted_by_the_time_that_passed() -> None:
    rates = SourceRates()
    rates.turn(SourceCounters(bytes=1000, pictures=10), 100.0)
    assert rates.bitrate_bps is None
    rates.turn(SourceCounters(bytes=1_251_000, pictures=135, gop_us=2_000_000), 105.0)
    assert (rates.bitrate_bps, rates.frames_per_second, rates.gop_s) == (2_000_000, 25.0, 2.0)


def test_a_source_that_is_pulled_anew_is_not_measured_against_its_past() -> None:
    rates = SourceRates()
    rates.turn(SourceCounters(bytes=5_000_000, pictures=100), 100.0)
    rates.turn(SourceCounters(bytes=1000, pictures=1), 105.0)
    assert rates.bitrate_bps is None
    rates.turn(SourceCounters(bytes=626_000, pictures=51), 110.0)
    assert (rates.bitrate_bps, rates.frames_per_second) == (1_000_000, 10.0)


def test_what_is_not_pulled_has_no_rates() -> None:
    rates = SourceRates()
    rates.turn(SourceCounters(bytes=1), 1.0)
    rates.turn(SourceCounters(bytes=9999, gop_us=1), 2.0)
    rates.clear()
    assert (rates.bitrate_bps, rates.frames_per_second, rates.gop_s) == (None, None, None)
