/** Which codecs a meeting's offer holds: few, so that one of 30 sections stays small. */

export interface Codec {
  mimeType: string
  sdpFmtpLine?: string | undefined
}

const isNamed = (codec: Codec, name: string): boolean => codec.mimeType.toLowerCase() === name

/** H.264 of one mode and the plainest profile, which every browser and hardware codec has. */
function plainestH264<One extends Codec>(codecs: readonly One[]): One | undefined {
  const fitting = codecs.filter((one) => isNamed(one, 'video/h264') && /packetization-mode=1/.test(one.sdpFmtpLine ?? ''))
  return fitting.find((one) => /profile-level-id=42[eE]0/.test(one.sdpFmtpLine ?? '')) ?? fitting[0]
}

/** H.264 first, then VP8, and their retransmission; all of them where neither is there. */
export function videoCodecs<One extends Codec>(codecs: readonly One[]): One[] {
  const h264 = plainestH264(codecs)
  const vp8 = codecs.find((one) => isNamed(one, 'video/vp8'))
  const chosen = [h264, vp8].filter((one): one is One => one !== undefined)
  if (chosen.length === 0) return [...codecs]
  return [...chosen, ...codecs.filter((one) => isNamed(one, 'video/rtx')).slice(0, 1)]
}

export function audioCodecs<One extends Codec>(codecs: readonly One[]): One[] {
  const opus = codecs.filter((one) => isNamed(one, 'audio/opus'))
  return opus.length === 0 ? [...codecs] : opus
}

/** Three qualities of one camera: the server says which of them are wanted. */
export const CAMERA_LAYERS: readonly RTCRtpEncodingParameters[] = [
  { rid: 'l', scaleResolutionDownBy: 4, maxBitrate: 150_000 },
  { rid: 'm', scaleResolutionDownBy: 2, maxBitrate: 500_000 },
  { rid: 'h', scaleResolutionDownBy: 1, maxBitrate: 1_500_000 },
]

/** `encodings` with those active whose rid is among `wanted`; null where nothing changes. */
export function activated<One extends { rid?: string | undefined; active?: boolean | undefined }>(encodings: readonly One[], wanted: readonly string[]): One[] | null {
  const isWanted = (rid: string | undefined): boolean => wanted.includes(rid ?? '')
  if (encodings.every((one) => (one.active ?? true) === isWanted(one.rid))) return null
  return encodings.map((one) => ({ ...one, active: isWanted(one.rid) }))
}

type Capable = { getCapabilities(kind: string): { codecs: RTCRtpCodec[] } | null }

/** @param side RTCRtpSender or RTCRtpReceiver */
export function prefer(transceiver: RTCRtpTransceiver, side: Capable, kind: 'audio' | 'video'): void {
  const codecs = side.getCapabilities(kind)?.codecs
  if (codecs === undefined || !('setCodecPreferences' in transceiver)) return
  try {
    transceiver.setCodecPreferences(kind === 'video' ? videoCodecs(codecs) : audioCodecs(codecs))
  } catch {
    // An older browser minds the order; the offer is longer then, and as good.
  }
}
