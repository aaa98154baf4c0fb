/** Whether sound and pictures get through from here: a handshake with the very port, before joining. */
import { request, webSocketUrl } from '@/api/client'
import { ApiError } from '@/api/errors'

import type { CheckResult } from './api'

/** Talk becomes awkward beyond this. */
const SLOW_MS = 300
const TRIES = 3
/** A socket that opens and never says a word is none. */
const READY_MS = 6000
/** The gateway gives up after 10 s by itself. */
const HANDSHAKE_MS = 12_000
const BUSY_TRIES = 4

export type NetworkFinding =
  | 'good'
  | 'slow'
  /** UDP is closed here: it goes by the relay (TURN) over TCP or TLS. */
  | 'relay_tcp'
  /** The direct way is closed: it goes by the relay over UDP. */
  | 'relay_udp'
  /** Pages come, packets do not. */
  | 'closed'
  /** Pages come, but something in between lets no WebSocket through. */
  | 'no_socket'
  | 'busy'
  /** The gateway has nobody who carries sound and pictures at the moment. */
  | 'unavailable'
  /** Only pages were tried: who comes by a link may not try more before joining. */
  | 'pages'
  | 'unreachable'
  | 'no_webrtc'

export interface NetworkCheck {
  result: CheckResult
  /** With words in `meetings.check.network`. */
  finding: NetworkFinding
  round_trip_ms: number | null
  /** Where packets have to get through, for whoever keeps the network. */
  addresses: string[]
}

const RESULTS: Record<NetworkFinding, CheckResult> = {
  good: 'ok', relay_tcp: 'ok', relay_udp: 'ok', slow: 'bad', closed: 'bad', no_socket: 'bad', unreachable: 'bad', no_webrtc: 'bad',
  busy: 'untested', unavailable: 'untested', pages: 'untested',
}

const found = (finding: NetworkFinding, round_trip_ms: number | null = null, addresses: string[] = []): NetworkCheck => ({ result: RESULTS[finding], finding, round_trip_ms, addresses })

/** The addresses that an answer names, as a person writes them down: `10.0.0.5:8189 UDP`. */
export function addressesOf(sdp: string): string[] {
  const named = [...sdp.matchAll(/^a=candidate:\S+ \d+ (\w+) \d+ (\S+) (\d+) typ/gm)].map(([, transport = '', address = '', port = '']) => `${address.includes(':') ? `[${address}]` : address}:${port} ${transport.toUpperCase()}`)
  return [...new Set(named)]
}

type Way = { round_trip_ms: number | null; relay: string | null }

/** How the chosen pair of candidates goes; null while none is chosen. */
export function wayOf(statistics: Iterable<Record<string, unknown>>): Way | null {
  const all = new Map([...statistics].map((one) => [one['id'], one]))
  const transport = [...all.values()].find((one) => one['type'] === 'transport')
  const pair = all.get(transport?.['selectedCandidatePairId']) ?? [...all.values()].find((one) => one['type'] === 'candidate-pair' && one['state'] === 'succeeded' && one['nominated'] === true)
  if (pair === undefined) return null
  const own = all.get(pair['localCandidateId'])
  const seconds = pair['currentRoundTripTime']
  return {
    round_trip_ms: typeof seconds === 'number' ? seconds * 1000 : null,
    relay: own?.['candidateType'] === 'relay' ? String(own['relayProtocol'] ?? 'udp') : null,
  }
}

export function judged(way: Way, addresses: string[]): NetworkCheck {
  if (way.round_trip_ms !== null && way.round_trip_ms > SLOW_MS) return found('slow', way.round_trip_ms, addresses)
  if (way.relay === null) return found('good', way.round_trip_ms, addresses)
  return found(way.relay === 'udp' ? 'relay_udp' : 'relay_tcp', way.round_trip_ms, addresses)
}

export async function checkNetwork(): Promise<NetworkCheck> {
  if (typeof RTCPeerConnection !== 'function') return found('no_webrtc')
  for (let attempt = 1; ; attempt += 1) {
    let opened: { url: string; ice_servers: RTCIceServer[] }
    try {
      opened = await request('POST', '/api/site-checks/probe', { body: {}, quietly: true })
    } catch (error) {
      return withoutProbe(error)
    }
    const tried = await handshake(opened.url, opened.ice_servers)
    if (tried.finding !== 'busy' || attempt === BUSY_TRIES) return tried
    // A whole county tests at once: not all again at the same moment.
    await new Promise((resolve) => window.setTimeout(resolve, 1000 + Math.random() * 4000))
  }
}

async function withoutProbe(error: unknown): Promise<NetworkCheck> {
  if (!(error instanceof ApiError) || error.status === 0) return found('unreachable')
  if (error.status === 503) return found('unavailable')
  const round_trip_ms = await pages()
  if (round_trip_ms === null) return found('unreachable')
  return found(round_trip_ms > SLOW_MS ? 'slow' : 'pages', round_trip_ms)
}

async function pages(): Promise<number | null> {
  let best: number | null = null
  for (let attempt = 0; attempt < TRIES; attempt += 1) {
    const begun_ms = performance.now()
    try {
      await request('GET', '/api/session', { quietly: true })
    } catch (error) {
      // A refusal was an answer, too.
      if (!(error instanceof ApiError) || error.status === 0) return null
    }
    const took_ms = performance.now() - begun_ms
    best = best === null ? took_ms : Math.min(best, took_ms)
  }
  return best
}

/** Offers one section of sound that nobody sends, and sees whether the handshake is made. */
function handshake(url: string, iceServers: RTCIceServer[]): Promise<NetworkCheck> {
  return new Promise((resolve) => {
    const socket = new WebSocket(webSocketUrl(url))
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require', iceServers })
    let addresses: string[] = []
    let isReady = false
    let isOver = false
    let timer = window.setTimeout(() => over(found('no_socket')), READY_MS)

    function over(result: NetworkCheck): void {
      if (isOver) return
      isOver = true
      window.clearTimeout(timer)
      socket.onmessage = socket.onclose = null
      socket.close()
      peer.close()
      resolve(result)
    }

    async function connected(): Promise<void> {
      // What is said after this is goodbye.
      socket.onmessage = socket.onclose = null
      const way = wayOf((await peer.getStats()).values() as Iterable<Record<string, unknown>>)
      over(judged(way ?? { round_trip_ms: null, relay: null }, addresses))
    }

    async function offer(): Promise<void> {
      isReady = true
      window.clearTimeout(timer)
      timer = window.setTimeout(() => over(found('closed', null, addresses)), HANDSHAKE_MS)
      peer.addTransceiver('audio', { direction: 'recvonly' })
      await peer.setLocalDescription()
      socket.send(`${JSON.stringify({ type: 'offer', sdp: peer.localDescription?.sdp ?? '', sends: {} })}\n`)
    }

    async function received(text: string): Promise<void> {
      const message = JSON.parse(text) as { type: string; sdp?: string; reason?: string }
      if (message.type === 'ready') await offer()
      else if (message.type === 'answer') {
        addresses = addressesOf(message.sdp ?? '')
        await peer.setRemoteDescription({ type: 'answer', sdp: message.sdp ?? '' })
      } else if (message.type === 'connected') await connected()
      else if (message.type === 'end') over(ended(message.reason ?? '', addresses))
    }

    socket.onmessage = ({ data }: MessageEvent<string>) => void received(data).catch(() => over(found('no_webrtc')))
    socket.onclose = () => over(isReady ? found('closed', null, addresses) : found('no_socket'))
  })
}

function ended(reason: string, addresses: string[]): NetworkCheck {
  if (reason === 'busy' || reason === 'ticket_refused') return found('busy')
  return reason === 'refused' ? found('no_webrtc') : found('closed', null, addresses)
}
