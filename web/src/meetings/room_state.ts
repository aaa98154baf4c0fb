/** What is known of a running meeting: each message of the server makes the next state. */
import type { Message, Participant, RoomMeeting } from './api'
import type { EndReason, ServerMessage, Subtitle, Tile, You } from './wire'

export interface RoomState {
  meeting: RoomMeeting | null
  /** Along the area tree. */
  participants: ReadonlyMap<string, Participant>
  /** Of each participant the areas down to its own. */
  paths: ReadonlyMap<string, readonly string[]>
  you: You | null
  /** The loudest first. */
  speaking: readonly string[]
  tiles: readonly Tile[]
  messages: readonly Message[]
  /** The last line of each who spoke, the newest at the end. */
  subtitles: readonly Subtitle[]
  /** A roll call asks this site to answer. */
  calledBy: string | null
  /** Somebody here has answered it; the gateway has not said yet that it knows. */
  answering: boolean
  /** Why it is over for us. */
  ended: EndReason | null
}

export const EMPTY: RoomState = {
  meeting: null,
  participants: new Map(),
  paths: new Map(),
  you: null,
  speaking: [],
  tiles: [],
  messages: [],
  subtitles: [],
  calledBy: null,
  answering: false,
  ended: null,
}

const MOST_MESSAGES = 500
/** No more are forwarded at once. */
const MOST_SPEAKERS = 3

/** What is so of a participant where the gateway says nothing of it. */
const UNSAID: Partial<Participant> = {
  area_id: null, area_path: [], user_id: null, camera_id: null, muted: false, floor_us: null, hand_us: null, joined_us: null, left_us: null, device: null,
}

const inOrder = (participants: Iterable<Participant>): ReadonlyMap<string, Participant> =>
  new Map([...participants].sort((a, b) => a.position - b.position).map((one) => [one.id, one]))

function withMessages(had: readonly Message[], more: readonly Message[]): readonly Message[] {
  const known = new Set(had.map(({ id }) => id))
  const fresh = more.filter(({ id }) => !known.has(id))
  return fresh.length === 0 ? had : [...had, ...fresh].sort((a, b) => a.at_us - b.at_us).slice(-MOST_MESSAGES)
}

/** Those that say where they are, besides what is known already. */
function pathsWith(had: RoomState['paths'], participants: readonly Pick<Participant, 'id' | 'area_path'>[]): RoomState['paths'] {
  const said = participants.filter(({ id, area_path }) => area_path !== undefined && had.get(id)?.join('/') !== area_path.join('/'))
  return said.length === 0 ? had : new Map([...had, ...said.map(({ id, area_path }) => [id, area_path ?? []] as const)])
}

export function reduced(state: RoomState, message: ServerMessage): RoomState {
  switch (message.type) {
    case 'room': {
      const { roll_call } = message.meeting
      // While the line was away the roll call may have gone on.
      const isCalled = state.calledBy !== null && roll_call?.id === state.calledBy && roll_call.current_id === message.you.participant_id
      return {
        ...state,
        meeting: message.meeting,
        participants: inOrder(message.participants.map((one) => ({ ...UNSAID, ...one }) as Participant)),
        paths: pathsWith(state.paths, message.participants),
        you: message.you,
        speaking: message.speaking ?? [],
        tiles: [],
        calledBy: isCalled ? state.calledBy : null,
        answering: isCalled && state.answering,
        ended: null,
      }
    }
    case 'changed': {
      const changed = new Map(state.participants)
      for (const one of message.participants ?? []) changed.set(one.id, { ...UNSAID, ...changed.get(one.id), ...one } as Participant)
      for (const id of message.gone ?? []) changed.delete(id)
      const moved = (message.participants ?? []).some((one) => one.position !== undefined && state.participants.get(one.id)?.position !== one.position)
      const participants = moved ? inOrder(changed.values()) : changed
      const own = participants.get(state.you?.participant_id ?? '')
      const you = message.you ?? (state.you !== null && own !== undefined ? { ...state.you, role: own.role, state: own.state } : state.you)
      const meeting = message.meeting === undefined || state.meeting === null ? state.meeting : { ...state.meeting, ...message.meeting }
      const { roll_call } = message.meeting ?? {}
      // The roll call has gone on to another site, or is over.
      const isOver = roll_call !== undefined && (roll_call?.id !== state.calledBy || roll_call?.current_id !== you?.participant_id)
      const paths = pathsWith(state.paths, message.participants ?? [])
      return { ...state, participants, paths, you, meeting, calledBy: isOver ? null : state.calledBy, answering: !isOver && state.answering }
    }
    case 'tiles':
      return { ...state, tiles: message.slots }
    case 'speaking':
      return { ...state, speaking: message.participant_ids }
    case 'called':
      return { ...state, calledBy: message.roll_call_id, answering: state.answering && state.calledBy === message.roll_call_id }
    case 'answered':
      return message.roll_call_id === state.calledBy ? { ...state, calledBy: null, answering: false } : state
    case 'message':
      return withChat(state, [message.message])
    case 'subtitle': {
      const { participant_id, name, text, at_us, final } = message
      const others = state.subtitles.filter((one) => one.participant_id !== participant_id)
      return { ...state, subtitles: [...others, { participant_id, name, text, at_us, final }].slice(-MOST_SPEAKERS) }
    }
    case 'end':
      return { ...state, ended: message.reason, tiles: [], speaking: [], calledBy: null, answering: false }
    default:
      return state
  }
}

export const withChat = (state: RoomState, messages: readonly Message[]): RoomState => ({ ...state, messages: withMessages(state.messages, messages) })

/** The question stays until the gateway has the answer: one that got lost on the way would be an absence. */
export const answeredCall = (state: RoomState): RoomState => ({ ...state, answering: state.calledBy !== null })

/** Nothing arrives until the line stands again; who was there stays on the screen. */
export const lineLost = (state: RoomState): RoomState => ({ ...state, tiles: [], speaking: [] })

export const ownPlace = (state: RoomState): Participant | null => state.participants.get(state.you?.participant_id ?? '') ?? null

export const mayChair = (state: RoomState): boolean => state.you?.role === 'chair' || state.you?.role === 'co_chair'

export const isWaiting = (state: RoomState): boolean => (state.you?.state ?? ownPlace(state)?.state) === 'lobby'

/** Raised hands, the longest first. */
export const hands = (state: RoomState): Participant[] =>
  [...state.participants.values()]
    .filter((one) => one.hand_us !== null && one.state === 'connected')
    .sort((a, b) => (a.hand_us ?? 0) - (b.hand_us ?? 0) || a.id.localeCompare(b.id))

export const waiting = (state: RoomState): Participant[] => [...state.participants.values()].filter((one) => one.state === 'lobby')

/** Called and not there: those who can be rung again. */
export const ABSENT: readonly Participant['state'][] = ['invited', 'ringing', 'left', 'refused']

export type RosterFilter = 'all' | 'connected' | 'absent' | 'lobby' | 'hands'

export interface RosterGroup {
  /** Of the group: the path down to the township. */
  path: string
  connected: number
  total: number
  members: Participant[]
}

const TOWNSHIP_DEPTH = 2

function fits(one: Participant, filter: RosterFilter): boolean {
  if (filter === 'connected') return one.state === 'connected'
  if (filter === 'absent') return ABSENT.includes(one.state)
  if (filter === 'lobby') return one.state === 'lobby'
  if (filter === 'hands') return one.hand_us !== null
  return one.state !== 'removed'
}

/** The list beside the room: by township, along the area tree; counts are of the whole group. */
export function roster({ participants, paths }: Pick<RoomState, 'participants' | 'paths'>, filter: RosterFilter, query: string): RosterGroup[] {
  const groups = new Map<string, RosterGroup>()
  const text = query.trim().toLowerCase()
  for (const one of participants.values()) {
    if (one.state === 'removed' && filter !== 'all') continue
    const path = (paths.get(one.id) ?? []).slice(0, TOWNSHIP_DEPTH).join(' / ')
    let group = groups.get(path)
    if (group === undefined) {
      group = { path, connected: 0, total: 0, members: [] }
      groups.set(path, group)
    }
    if (one.state !== 'removed') {
      group.total += 1
      if (one.state === 'connected') group.connected += 1
    }
    if (fits(one, filter) && (text === '' || one.name.toLowerCase().includes(text) || path.toLowerCase().includes(text))) group.members.push(one)
  }
  return [...groups.values()].filter(({ members }) => members.length > 0)
}
