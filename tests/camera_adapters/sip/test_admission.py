"""What is read of each source."""

from __future__ import annotations

from camera_adapters.sip.admission import Admission, AdmissionLimits, Budget
from camera_adapters.sip.peer import Peer

LIMITS = AdmissionLimits(
    stranger=Budget(5, 1), host=Budget(20, 2), known=Budget(100, 50), sources=1000
)


def admitted(admission: Admission, peer: Peer, count: int, now: float) -> int:
    return sum(admission.admit(peer, now) for _ in range(count))


def test_stranger_has_a_burst_and_then_a_pace() -> None:
    admission = Admission(LIMITS)
    peer = Peer("10.0.0.1", 1)
    assert admitted(admission, peer, 50, 0.0) == 5
    assert admitted(admission, peer, 50, 3.0) == 3
    assert admission.refused == 92


def test_new_ports_of_one_host_gain_nothing() -> None:
    admission = Admission(LIMITS)
    total = sum(admitted(admission, Peer("10.0.0.1", port), 5, 0.0) for port in range(1, 100))
    assert total == 20
    assert admitted(admission, Peer("10.0.0.2", 1), 5, 0.0) == 5


def test_who_is_known_is_not_starved_by_strangers_of_its_host() -> None:
    admission = Admission(LIMITS)
    device = Peer("10.0.0.1", 5060)
    admission.know(device)
    for port in range(1, 100):
        admitted(admission, Peer("10.0.0.1", port), 5, 0.0)
    assert admitted(admission, device, 200, 0.0) == 100
    admission.forget(device)
    assert admitted(admission, device, 200, 0.0) == 0


def test_memory_is_bounded() -> None:
    admission = Admission(LIMITS)
    for number in range(5000):
        admission.admit(Peer(f"10.0.{number // 250}.{number % 250}", 1), 0.0)
    assert len(admission._strangers._buckets) == 1000
    assert len(admission._hosts._buckets) == 1000
