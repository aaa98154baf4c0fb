/** What a tile can tell about its stream: codec, size, rate, loss, round trip, delay. */

export interface LiveStatistics {
  transport: 'webrtc' | 'mse'
  codec: string | null
  width: number | null
  height: number | null
  frames_per_second: number | null
  bitrate_bps: number | null
  round_trip_ms: number | null
  /** Share of packets lost since the last reading, 0–1. */
  loss: number | null
  /** Behind the newest picture: jitter buffer plus half a round trip, or the buffer ahead (MSE). */
  delay_ms: number | null
  frames_decoded: number
  frames_dropped: number
  remote_address: string | null
}

/** Counters of one reading, from which the next reading's rates are taken. */
export interface Reading {
  at_ms: number
  bytes: number
  packets: number
  packets_lost: number
  frames_decoded: number
  buffer_delay_s: number
  buffer_emitted: number
}

interface InboundVideo {
  kind?: string
  codecId?: string
  bytesReceived?: number
  packetsReceived?: number
  packetsLost?: number
  framesDecoded?: number
  framesDropped?: number
  framesPerSecond?: number
  frameWidth?: number
  frameHeight?: number
  jitterBufferDelay?: number
  jitterBufferEmittedCount?: number
}

interface StatisticsSource {
  forEach(visit: (entry: { id: string; type: string }) => void): void
}

/**
 * One reading of a peer connection's report, with rates against the `previous` reading.
 *
 * Takes anything with the `forEach` of an `RTCStatsReport` (W3C webrtc-stats).
 */
export function readPeerStatistics(
  report: StatisticsSource,
  at_ms: number,
  previous: Reading | null,
): { statistics: LiveStatistics; reading: Reading } {
  const byId = new Map<string, Record<string, unknown>>()
  let video: InboundVideo = {}
  let pair: Record<string, unknown> | null = null
  report.forEach((entry) => {
    const record = entry as unknown as Record<string, unknown>
    byId.set(entry.id, record)
    if (entry.type === 'inbound-rtp' && record['kind'] === 'video') video = record as InboundVideo
    if (entry.type === 'candidate-pair' && record['state'] === 'succeeded' && record['nominated'] === true) {
      pair = record
    }
  })
  const chosen = pair as Record<string, unknown> | null
  const remote = chosen ? byId.get(String(chosen['remoteCandidateId'])) : undefined
  const codec = video.codecId === undefined ? undefined : byId.get(video.codecId)
  const reading: Reading = {
    at_ms,
    bytes: video.bytesReceived ?? 0,
    packets: video.packetsReceived ?? 0,
    packets_lost: video.packetsLost ?? 0,
    frames_decoded: video.framesDecoded ?? 0,
    buffer_delay_s: video.jitterBufferDelay ?? 0,
    buffer_emitted: video.jitterBufferEmittedCount ?? 0,
  }
  const before = previous !== null && previous.bytes <= reading.bytes ? previous : null
  const elapsed_s = before === null ? 0 : (at_ms - before.at_ms) / 1000
  const round_trip_s = typeof chosen?.['currentRoundTripTime'] === 'number' ? chosen['currentRoundTripTime'] : null
  const emitted = before === null ? 0 : reading.buffer_emitted - before.buffer_emitted
  const buffer_ms =
    before !== null && emitted > 0 ? ((reading.buffer_delay_s - before.buffer_delay_s) / emitted) * 1000 : null
  const arrived = before === null ? 0 : reading.packets - before.packets
  const lost = before === null ? 0 : Math.max(0, reading.packets_lost - before.packets_lost)
  return {
    reading,
    statistics: {
      transport: 'webrtc',
      codec: typeof codec?.['mimeType'] === 'string' ? codec['mimeType'].replace(/^video\//i, '') : null,
      width: video.frameWidth ?? null,
      height: video.frameHeight ?? null,
      frames_per_second:
        before !== null && elapsed_s > 0
          ? (reading.frames_decoded - before.frames_decoded) / elapsed_s
          : (video.framesPerSecond ?? null),
      bitrate_bps: before !== null && elapsed_s > 0 ? ((reading.bytes - before.bytes) * 8) / elapsed_s : null,
      round_trip_ms: round_trip_s === null ? null : round_trip_s * 1000,
      loss: arrived + lost > 0 ? lost / (arrived + lost) : null,
      delay_ms: buffer_ms === null ? null : buffer_ms + (round_trip_s ?? 0) * 500,
      frames_decoded: reading.frames_decoded,
      frames_dropped: video.framesDropped ?? 0,
      remote_address: typeof remote?.['address'] === 'string' ? remote['address'] : null,
    },
  }
}

/** "H.264", "H.265" from a MIME subtype or an RFC 6381 codec string; others as they are. */
export function codecName(codec: string | null | undefined): string {
  if (codec === null || codec === undefined || codec === '') return ''
  const lower = codec.toLowerCase()
  if (lower.includes('avc') || lower.includes('264')) return 'H.264'
  if (lower.includes('hvc') || lower.includes('hev') || lower.includes('265')) return 'H.265'
  return codec.toUpperCase()
}
