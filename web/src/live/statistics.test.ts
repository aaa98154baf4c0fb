import { describe, expect, it } from 'vitest'

import { codecName, readPeerStatistics } from './statistics'

function report(changes: Record<string, unknown> = {}) {
  const entries = [
    { id: 'codec', type: 'codec', mimeType: 'video/H264' },
    { id: 'remote', type: 'remote-candidate', address: '10.1.2.3' },
    {
      id: 'pair',
      type: 'candidate-pair',
      state: 'succeeded',
      nominated: true,
      remoteCandidateId: 'remote',
      currentRoundTripTime: 0.02,
    },
    { id: 'audio', type: 'inbound-rtp', kind: 'audio', bytesReceived: 999_999 },
    {
      id: 'video',
      type: 'inbound-rtp',
      kind: 'video',
      codecId: 'codec',
      bytesReceived: 100_000,
      packetsReceived: 100,
      packetsLost: 0,
      framesDecoded: 25,
      framesDropped: 1,
      frameWidth: 1920,
      frameHeight: 1080,
      framesPerSecond: 24,
      jitterBufferDelay: 1,
      jitterBufferEmittedCount: 25,
      ...changes,
    },
  ]
  return { forEach: (visit: (entry: { id: string; type: string }) => void) => entries.forEach(visit) }
}

describe('statistics of a peer connection', () => {
  it('gives rates only from the second reading on', () => {
    const { statistics } = readPeerStatistics(report(), 1000, null)
    expect(statistics).toMatchObject({
      codec: 'H264',
      width: 1920,
      height: 1080,
      frames_per_second: 24,
      bitrate_bps: null,
      loss: null,
      delay_ms: null,
      round_trip_ms: 20,
      frames_decoded: 25,
      frames_dropped: 1,
      remote_address: '10.1.2.3',
    })
  })

  it('takes rate, loss and delay from what came in between', () => {
    const first = readPeerStatistics(report(), 1000, null)
    const later = report({
      bytesReceived: 350_000,
      packetsReceived: 298,
      packetsLost: 2,
      framesDecoded: 50,
      jitterBufferDelay: 2.5,
      jitterBufferEmittedCount: 50,
    })
    const { statistics } = readPeerStatistics(later, 2000, first.reading)
    expect(statistics.bitrate_bps).toBe(2_000_000)
    expect(statistics.frames_per_second).toBe(25)
    expect(statistics.loss).toBeCloseTo(2 / 200)
    // 1.5 s of buffering over 25 frames, and half a round trip.
    expect(statistics.delay_ms).toBeCloseTo(60 + 10)
  })

  it('begins anew when counters fall back: another connection', () => {
    const first = readPeerStatistics(report(), 1000, null)
    const { statistics } = readPeerStatistics(report({ bytesReceived: 10 }), 2000, first.reading)
    expect(statistics.bitrate_bps).toBeNull()
  })

  it('is empty, not wrong, before anything arrived', () => {
    const { statistics } = readPeerStatistics({ forEach: () => undefined }, 0, null)
    expect(statistics).toMatchObject({ codec: null, width: null, round_trip_ms: null, frames_decoded: 0 })
  })
})

describe('codecName', () => {
  it.each([
    ['avc1.64001f', 'H.264'],
    ['H264', 'H.264'],
    ['hvc1.1.6.L93.B0', 'H.265'],
    ['h265', 'H.265'],
    ['VP8', 'VP8'],
    [null, ''],
  ])('%s is %s', (codec, name) => expect(codecName(codec)).toBe(name))
})
