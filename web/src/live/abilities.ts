/** What this browser can play, asked of the browser itself, once. */
import type { ClientAbilities } from '@/api'

function hearsH265OverWebRtc(): boolean {
  try {
    const capabilities = RTCRtpReceiver.getCapabilities('video')
    return capabilities?.codecs.some((codec) => codec.mimeType.toLowerCase() === 'video/h265') ?? false
  } catch {
    return false
  }
}

function playsH265ByMediaSource(): boolean {
  try {
    return MediaSource.isTypeSupported('video/mp4; codecs="hvc1.1.6.L120.90"')
  } catch {
    return false
  }
}

let known: ClientAbilities | null = null

export function abilities(): ClientAbilities {
  known ??= {
    webrtc: typeof RTCPeerConnection === 'function' && typeof RTCRtpReceiver === 'function',
    webrtc_h265: hearsH265OverWebRtc(),
    mse_h265: playsH265ByMediaSource(),
  }
  return known
}

export const playsMediaSource = (): boolean => typeof MediaSource === 'function'
