/** One meeting as this page takes part in it: the line, what is known, what is sent and received. */
import { computed, onBeforeUnmount, onMounted, ref, shallowReactive, shallowRef, watch, type Ref } from 'vue'

import { isAbort, type ApiError } from '@/api/errors'
import { errorText } from '@/errors'
import { translate } from '@/locales'
import { tell, tellError, warn } from '@/notices'

import type { Message } from './api'
import { Line, type LinePhase } from './line'
import { useOwnDevices, type OwnDevices } from './own_devices'
import { answeredCall, EMPTY, lineLost, ownPlace, reduced, withChat, type RoomState } from './room_state'
import type { SeatCalls } from './seat_calls'
import type { SendKind, ServerMessage, WantedTile } from './wire'

const ANSWER_AGAIN_MS = 2000
/** What the room tells is here by then. */
const LATE_MS = 1000
const LATE_SPREAD_MS = 3000

export interface Room {
  state: Readonly<Ref<RoomState>>
  phase: Readonly<Ref<LinePhase | 'idle'>>
  /** Why one is not let in, as a sentence. */
  refusal: Readonly<Ref<string>>
  /** The gateway's code of it; '' where nobody is refused. */
  refusalCode: Readonly<Ref<string>>
  /** Since when the line is away, in milliseconds; null while it stands. */
  lostSince_ms: Readonly<Ref<number | null>>
  /** Where packets have to get through, for whoever keeps the network. */
  addresses: Readonly<Ref<readonly string[]>>
  slots: Readonly<Ref<string[]>>
  /** Slot → what comes in it. */
  pictures: ReadonlyMap<string, MediaStream>
  sounds: ReadonlyMap<string, MediaStream>
  devices: OwnDevices
  /** Whether one is heard: the microphone is on and the chair lets it through. */
  heard: Readonly<Ref<boolean>>
  /** Messages that came since they were last read. */
  unread: Readonly<Ref<number>>
  readAll(): void
  /** Somebody looks at the chat: what was said before is fetched, once. */
  openChat(): void
  enter(): void
  leave(): void
  turn(kind: SendKind, on: boolean): Promise<void>
  hand(up: boolean): Promise<void>
  say(text: string): Promise<void>
  answerCall(): void
  view(tiles: WantedTile[]): void
  statistics(): Promise<RTCStatsReport> | null
}

export function useRoom(calls: SeatCalls, pictureSlots: number): Room {
  const state = shallowRef<RoomState>(EMPTY)
  const phase = ref<LinePhase | 'idle'>('idle')
  const refusal = ref('')
  const refusalCode = ref('')
  const lostSince_ms = ref<number | null>(null)
  const slots = ref<string[]>([])
  const addresses = shallowRef<readonly string[]>([])
  const unread = ref(0)
  const pictures = shallowReactive(new Map<string, MediaStream>())
  const sounds = shallowReactive(new Map<string, MediaStream>())
  let line: Line | null = null
  let lastView: WantedTile[] = []
  /** The number of the newest message that is known here, or was said before one came. */
  let newestSaid: number | null = null
  let chatWasOpened = false
  let chatLate = 0
  let answer = 0

  const devices = useOwnDevices(
    (kind, track) => line?.put(kind, track),
    tellDevices,
    (kind) => warn(translate(`meetings.causes.${kind}_lost`)),
  )
  const heard = computed(() => phase.value === 'open' && devices.on.microphone && ownPlace(state.value)?.muted !== true)

  function tellDevices(): void {
    line?.send({ type: 'device', ...devices.on })
  }

  function received(message: ServerMessage): void {
    const before = ownPlace(state.value)
    state.value = reduced(state.value, message)
    // The sections have their names once the offer is made.
    if (message.type === 'room' || message.type === 'answer') slots.value = line?.slots ?? []
    if (message.type === 'room') {
      tellDevices()
      newestSaid ??= message.meeting.messages ?? 0
    }
    if (message.type === 'answered' && !message.counted) warn(translate('meetings.rollCall.notCounted'))
    if (message.type === 'message') said([message.message])
    if (state.value.answering) sayHere()
    else stopSaying()
    // A new line knows nothing of what this page shows.
    if (message.type === 'answer') addresses.value = line?.addresses ?? []
    if (message.type === 'answer' && lastView.length > 0) line?.send({ type: 'view', tiles: lastView })
    if (message.type === 'room' || message.type === 'changed') {
      const after = ownPlace(state.value)
      if (after?.muted === true && before?.muted !== true) silenced(null)
      else if (before?.muted === true && after?.muted === false) tell(translate('meetings.room.maySpeak'))
      if (before !== null && before.floor_us === null && after?.floor_us != null) tell(translate('meetings.room.floorGiven'))
    }
    if (message.type === 'muted') silenced(message.by)
    if (message.type === 'end') {
      devices.allOff()
      phase.value = 'closed'
    }
  }

  /** The server forwards nothing anyway; the device goes off so that nobody here is mistaken. */
  function silenced(by: string | null): void {
    if (!devices.on.microphone) return
    void devices.turn('microphone', false)
    warn(by === null || by === '' ? translate('meetings.room.mutedByChair') : translate('meetings.room.mutedBy', { name: by }))
  }

  function phaseChanged(now: LinePhase): void {
    phase.value = now
    if (now === 'open') lostSince_ms.value = null
    else if (now === 'lost' || now === 'blocked') {
      lostSince_ms.value ??= Date.now()
      if (now === 'lost') {
        state.value = lineLost(state.value)
        pictures.clear()
        sounds.clear()
      }
    }
  }

  function enter(): void {
    if (line !== null) return
    refusal.value = refusalCode.value = ''
    const own: Line = new Line((signal) => calls.join(signal), pictureSlots, {
      phase: (now) => line === own && phaseChanged(now),
      message: (message) => line === own && received(message),
      sound: (slot, track) => sounds.set(slot, new MediaStream([track])),
      picture: (slot, track) => pictures.set(slot, new MediaStream([track])),
      refused: (error: ApiError) => {
        devices.allOff()
        if (error.code === 'meeting_over') state.value = reduced(state.value, { type: 'end', reason: 'ended' })
        else {
          refusal.value = errorText(error)
          refusalCode.value = error.code
        }
      },
    })
    line = own
    own.start()
  }

  function leave(): void {
    stopSaying()
    const own = line
    line = null
    own?.close()
    devices.allOff()
    pictures.clear()
    sounds.clear()
    lostSince_ms.value = null
    phase.value = 'idle'
  }

  async function turn(kind: SendKind, on: boolean): Promise<void> {
    if (kind === 'microphone' && on && ownPlace(state.value)?.muted === true) {
      warn(translate('meetings.room.raiseHandToSpeak'))
      return
    }
    const cause = await devices.turn(kind, on)
    if (cause !== '') warn(translate(`meetings.causes.${cause}`))
  }

  async function hand(up: boolean): Promise<void> {
    await calls.hand(up).catch(tellError)
  }

  async function say(text: string): Promise<void> {
    const message = await calls.say(text)
    state.value = withChat(state.value, [message])
  }

  /** Said while one was here; what is known already counts once. */
  function said(messages: readonly Message[]): void {
    const before = newestSaid ?? 0
    unread.value += messages.filter((one) => one.id > before && one.participant_id !== state.value.you?.participant_id).length
    newestSaid = messages.reduce((newest, { id }) => Math.max(newest, id), before)
    state.value = withChat(state.value, messages)
  }

  /** The room tells what is said; this fetches what it could not tell: the line was away. */
  async function fetchMissed(newest: number): Promise<void> {
    if (newestSaid === null || newest <= newestSaid) return
    try {
      said((await calls.messages(newestSaid)).items)
      // What was said to others alone has a number, too.
      newestSaid = Math.max(newestSaid, newest)
    } catch (error) {
      if (!isAbort(error)) tellError(error)
    }
  }

  async function openChat(): Promise<void> {
    if (chatWasOpened) return
    chatWasOpened = true
    try {
      const { items } = await calls.messages(0)
      state.value = withChat(state.value, items)
    } catch (error) {
      chatWasOpened = false
      if (!isAbort(error)) tellError(error)
    }
  }

  /** An answer is said until the gateway has it. */
  function sayHere(): void {
    if (answer !== 0) return
    line?.send({ type: 'answer_call' })
    answer = window.setInterval(() => line?.send({ type: 'answer_call' }), ANSWER_AGAIN_MS)
  }

  function stopSaying(): void {
    window.clearInterval(answer)
    answer = 0
  }

  watch(
    () => state.value.meeting?.messages,
    (newest, before) => {
      if (newest === undefined || newest === before) return
      window.clearTimeout(chatLate)
      // Not hundreds of pages at the same moment.
      if (newest > (newestSaid ?? newest)) chatLate = window.setTimeout(() => void fetchMissed(newest), LATE_MS + Math.random() * LATE_SPREAD_MS)
    },
  )
  const back = (): void => line?.now()
  onMounted(() => window.addEventListener('online', back))
  onBeforeUnmount(() => {
    window.removeEventListener('online', back)
    window.clearTimeout(chatLate)
    leave()
  })

  return {
    state, phase, refusal, refusalCode, lostSince_ms, addresses, slots, pictures, sounds, devices, heard, unread, enter, leave, turn, hand, say,
    readAll: () => {
      unread.value = 0
    },
    openChat: () => void openChat(),
    answerCall: () => {
      state.value = answeredCall(state.value)
      if (state.value.answering) sayHere()
    },
    view: (tiles) => {
      lastView = tiles
      line?.send({ type: 'view', tiles })
    },
    statistics: () => line?.statistics() ?? null,
  }
}
