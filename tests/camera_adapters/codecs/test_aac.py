"""AudioSpecificConfig (ISO/IEC 14496-3 §1.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.codecs import CodecError, aac


@given(
    st.one_of(st.sampled_from(aac.SAMPLING_FREQUENCIES), st.integers(1, (1 << 24) - 1)),
    st.sampled_from([1, 2, 3, 4, 5, 6, 8]),
    st.integers(1, 4),
)
def test_there_and_back(frequency: int, channels: int, object_type: int) -> None:
    config = aac.parse_audio_specific_config(
        aac.build_audio_specific_config(frequency, channels, object_type)
    )
    assert config == aac.AudioSpecificConfig(object_type, frequency, channels)


def test_known_configs() -> None:
    assert aac.build_audio_specific_config(44100, 2).hex() == "1210"
    assert aac.parse_audio_specific_config(bytes.fromhex("1408")).sampling_frequency == 16000
    # HE-AAC, signalled: the core runs at 24 kHz, the output at 48 kHz.
    sbr = aac.parse_audio_specific_config(bytes.fromhex("2b118800"))
    assert (sbr.object_type, sbr.sampling_frequency, sbr.channels) == (2, 24000, 2)


@pytest.mark.parametrize("text", ["", "12", "17f8", "0210", "1780000008"])
def test_broken_configs(text: str) -> None:
    with pytest.raises(CodecError):
        aac.parse_audio_specific_config(bytes.fromhex(text))
