/** One connection of this telephone's picture to the gateway: WHIP's offer and answer, as JSON. */
import { ask } from './wire'

export interface Begun {
  sdp: string
  camera_id: string
  since_us: number
}

export interface Publishing {
  /** Another camera of the telephone, the same connection. */
  replace: (track: MediaStreamTrack) => Promise<void>
  close: () => void
}

const MOST_BPS = 1_500_000

/** H.264 as the gateway takes it; none where the telephone cannot make it. */
export function takenCodecs<Codec extends { mimeType: string; sdpFmtpLine?: string }>(known: readonly Codec[]): Codec[] {
  return known.filter((one) => {
    const kind = one.mimeType.toLowerCase()
    // Repairs of lost packets belong to whatever they repair.
    return kind === 'video/rtx' || (kind === 'video/h264' && /packetization-mode=1/.test(one.sdpFmtpLine ?? ''))
  })
}

/** This telephone's browser makes no H.264. */
export class NoCodec extends Error {}

/** `told` hears how it goes, until it is closed. @throws Refused, NoCodec */
export async function publish(
  stream: MediaStream,
  iceServers: RTCIceServer[],
  incidentId: string | null,
  told: (state: RTCPeerConnectionState) => void,
): Promise<Publishing> {
  const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers })
  try {
    for (const track of stream.getTracks()) {
      const made = peer.addTransceiver(track, { direction: 'sendonly', streams: [stream] })
      if (track.kind !== 'video') continue
      const codecs = takenCodecs(RTCRtpSender.getCapabilities('video')?.codecs ?? [])
      if (!codecs.some((one) => /h264/i.test(one.mimeType))) throw new NoCodec()
      made.setCodecPreferences(codecs)
    }
    await peer.setLocalDescription(await peer.createOffer())
    const body = { sdp: peer.localDescription?.sdp ?? '', incident_id: incidentId }
    const begun = await ask<Begun>('POST', '/api/field/live', { body })
    peer.onconnectionstatechange = () => told(peer.connectionState)
    await peer.setRemoteDescription({ type: 'answer', sdp: begun.sdp })
  } catch (error) {
    peer.close()
    throw error
  }
  const picture = peer.getSenders().find((one) => one.track?.kind === 'video')
  const wanted = picture?.getParameters()
  if (picture && wanted?.encodings?.length) {
    for (const one of wanted.encodings) one.maxBitrate = MOST_BPS
    // A browser that will not be told sends what it likes.
    await picture.setParameters(wanted).catch(() => undefined)
  }
  return {
    replace: async (track) => picture?.replaceTrack(track),
    close: () => {
      peer.onconnectionstatechange = null
      peer.close()
    },
  }
}
