/** What passes over a meeting's WebSocket, as lines of JSON. */
import type { Device, Message, Participant, ParticipantRole, ParticipantState, RoomMeeting } from './api'

export type SourceKind = 'camera' | 'screen'
export type SendKind = 'microphone' | 'camera' | 'screen'

/** What one of the page's slots shows. */
export interface Tile {
  /** The mid of the receiving section. */
  slot: string
  participant_id: string
  kind: SourceKind
  layer: string | null
}

export interface WantedTile {
  slot: string
  participant_id: string | null
  kind: SourceKind
  height_px: number
}

export interface You {
  participant_id: string
  role: ParticipantRole
  state?: ParticipantState
}

export type EndReason = 'ended' | 'removed' | 'refused' | 'replaced' | (string & {})

export type ToldParticipant = Pick<Participant, 'id' | 'kind' | 'role' | 'state' | 'name' | 'position'> & Partial<Participant>

/** What was understood of what somebody says; until it is final it may still change. */
export interface Subtitle {
  participant_id: string
  name: string
  text: string
  at_us: number
  final: boolean
}

export type ServerMessage =
  | { type: 'answer'; sdp: string }
  /** Of participants, what does not go without saying. */
  | { type: 'room'; meeting: RoomMeeting; participants: ToldParticipant[]; you: You; speaking?: string[] }
  | { type: 'changed'; meeting?: Partial<RoomMeeting>; participants?: (Pick<Participant, 'id'> & Partial<Participant>)[]; gone?: string[]; you?: You }
  | { type: 'tiles'; slots: Tile[] }
  | { type: 'send'; layers: Record<string, string[]> }
  | { type: 'speaking'; participant_ids: string[] }
  | { type: 'muted'; by: string | null }
  | { type: 'called'; roll_call_id: string; answer_s?: number }
  /** The answer to that roll call is kept; or it came when nobody was asked. */
  | { type: 'answered'; roll_call_id: string; counted: boolean }
  /** Said to all, in writing. */
  | { type: 'message'; message: Message }
  | ({ type: 'subtitle' } & Subtitle)
  | { type: 'end'; reason: EndReason }
  | { type: 'pong' }

export type ClientMessage =
  | { type: 'offer'; sdp: string; sends: Record<string, SendKind> }
  | { type: 'view'; tiles: WantedTile[] }
  | ({ type: 'device' } & Device)
  | { type: 'answer_call' }
  | { type: 'ping' }

/** The messages of one frame; what is no message is left out. */
export function readMessages(text: string): ServerMessage[] {
  const messages: ServerMessage[] = []
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    try {
      const message = JSON.parse(line) as { type?: unknown } | null
      if (typeof message?.type === 'string') messages.push(message as ServerMessage)
    } catch {
      // A newer gateway may send what this page does not know; half a line it never sends.
    }
  }
  return messages
}
