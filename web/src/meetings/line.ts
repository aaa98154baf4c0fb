/**
 * The line to a meeting: its WebSocket and its peer connection, made anew by itself when lost.
 *
 * Every attempt asks the gateway for a new ticket; a refusal that trying again cannot change ends
 * the line, anything else is tried again until `close`.
 */
import { webSocketUrl } from '@/api/client'
import { ApiError, isAbort } from '@/api/errors'
import { BackOff } from '@/live/back_off'

import type { Joined } from './api'
import { addressesOf } from './network_check'
import { MeetingPeer } from './peer'
import { readMessages, type ClientMessage, type SendKind, type ServerMessage } from './wire'

export type LinePhase =
  | 'joining'
  /** The gateway answers; packets do not flow yet. */
  | 'connecting'
  | 'open'
  /** It stood before. */
  | 'lost'
  /** It talks to the gateway, but no packet comes through. */
  | 'blocked'
  | 'closed'

export interface LineEvents {
  phase(phase: LinePhase): void
  message(message: ServerMessage): void
  sound(slot: string, track: MediaStreamTrack): void
  picture(slot: string, track: MediaStreamTrack): void
  /** For good: what the gateway said. */
  refused(error: ApiError): void
}

const PING_MS = 5000
/** After the answer: by then the packets of a healthy network have come. */
const MEDIA_PATIENCE_MS = 8000
/** A socket that opens and never answers is no line. */
const ANSWER_PATIENCE_MS = 6000
const FINAL: ReadonlySet<number> = new Set([400, 403, 404, 409, 410, 422])
/** After any other word of farewell joining again finds out: a meeting may go on elsewhere. */
const FINAL_ENDS: ReadonlySet<string> = new Set(['ended', 'removed', 'refused', 'replaced', 'revoked'])
/** The connection may go a moment before the socket says why. */
const FAREWELL_MS = 400

export class Line {
  private socket: WebSocket | null = null
  private peer: MeetingPeer | null = null
  private readonly tracks: Partial<Record<SendKind, MediaStreamTrack | null>> = {}
  private readonly backOff = new BackOff(300, 2000)
  private abort: AbortController | null = null
  private stood = false
  private closed = false
  private retry = 0
  private ping = 0
  private patience = 0
  private last: LinePhase | null = null
  private media: string[] = []

  constructor(
    private readonly join: (signal: AbortSignal) => Promise<Joined>,
    private readonly pictures: number,
    private readonly events: LineEvents,
  ) {}

  start(): void {
    void this.attempt()
  }

  /** The slots of the line that stands. */
  get slots(): string[] {
    return this.peer?.slots ?? []
  }

  /** Where sound and pictures have to get through, as the gateway said last. */
  get addresses(): readonly string[] {
    return this.media
  }

  statistics(): Promise<RTCStatsReport> | null {
    return this.peer?.statistics() ?? null
  }

  send(message: ClientMessage): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(`${JSON.stringify(message)}\n`)
  }

  /** Kept for the next line too. */
  put(kind: SendKind, track: MediaStreamTrack | null): void {
    this.tracks[kind] = track
    void this.peer?.put(kind, track).catch(() => undefined)
  }

  /** Not sitting out the rest of the back-off: the network is back. */
  now(): void {
    if (this.retry === 0 || this.closed) return
    window.clearTimeout(this.retry)
    this.retry = 0
    void this.attempt()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    window.clearTimeout(this.retry)
    this.drop()
    this.tell('closed')
  }

  private tell(phase: LinePhase): void {
    if (phase === this.last) return
    this.last = phase
    this.events.phase(phase)
  }

  private drop(): void {
    window.clearTimeout(this.patience)
    window.clearInterval(this.ping)
    this.abort?.abort()
    this.abort = null
    const { socket, peer } = this
    this.socket = null
    this.peer = null
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    }
    peer?.close()
  }

  private lost(phase: 'lost' | 'blocked' = 'lost'): void {
    if (this.closed) return
    this.drop()
    this.tell(this.stood || phase === 'blocked' ? phase : 'joining')
    window.clearTimeout(this.retry)
    this.retry = window.setTimeout(() => {
      this.retry = 0
      void this.attempt()
    }, this.backOff.next())
  }

  private async attempt(): Promise<void> {
    this.drop()
    const own = new AbortController()
    this.abort = own
    if (!this.stood && this.last !== 'blocked') this.tell('joining')
    let joined: Joined
    try {
      joined = await this.join(own.signal)
    } catch (error) {
      if (own.signal.aborted || isAbort(error)) return
      if (error instanceof ApiError && FINAL.has(error.status)) {
        this.close()
        this.events.refused(error)
      } else this.lost()
      return
    }
    if (!own.signal.aborted) this.open(joined)
  }

  private open(joined: Joined): void {
    const socket = new WebSocket(webSocketUrl(joined.url))
    const peer = new MeetingPeer(joined.ice_servers, this.pictures, {
      connected: () => {
        if (this.peer !== peer) return
        window.clearTimeout(this.patience)
        this.stood = true
        this.backOff.reset()
        this.tell('open')
      },
      failed: () => {
        window.setTimeout(() => this.peer === peer && this.lost(), FAREWELL_MS)
      },
      sound: (slot, track) => this.events.sound(slot, track),
      picture: (slot, track) => this.events.picture(slot, track),
    })
    this.socket = socket
    this.peer = peer
    for (const kind of Object.keys(this.tracks) as SendKind[]) void peer.put(kind, this.tracks[kind] ?? null).catch(() => undefined)
    this.patience = window.setTimeout(() => this.lost(), ANSWER_PATIENCE_MS)
    socket.onopen = () => {
      this.ping = window.setInterval(() => this.send({ type: 'ping' }), PING_MS)
      void peer.offer().then(
        (offer) => this.peer === peer && this.send({ type: 'offer', ...offer }),
        () => this.peer === peer && this.lost(),
      )
    }
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      if (this.socket === socket) for (const message of readMessages(data)) this.received(message, peer)
    }
    // Why it closes was said before, or nobody could say it.
    socket.onclose = () => this.socket === socket && this.lost()
  }

  private received(message: ServerMessage, peer: MeetingPeer): void {
    if (message.type === 'answer') {
      window.clearTimeout(this.patience)
      this.media = addressesOf(message.sdp)
      if (this.last !== 'blocked') this.tell('connecting')
      // Without packets the chair's decisions still arrive; trying again may find another way.
      this.patience = window.setTimeout(() => this.lost('blocked'), MEDIA_PATIENCE_MS)
      peer.answer(message.sdp).catch(() => this.peer === peer && this.lost())
    } else if (message.type === 'send') void peer.wanted(message.layers)
    if (message.type === 'end') {
      if (FINAL_ENDS.has(message.reason)) this.close()
      else return this.lost()
    }
    this.events.message(message)
  }
}
