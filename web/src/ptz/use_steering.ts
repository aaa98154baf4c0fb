/** Steers one camera by whatever hand there is: pad, buttons, keys; lets go when the hand is lost. */
import { computed, onBeforeUnmount, onMounted, ref, watch, type Ref } from 'vue'

import { ApiError } from '@/api/errors'
import { ptz as api, type PtzCommand } from '@/api/ptz'
import { tellError } from '@/notices'
import { usePtz } from '@/stores/ptz'
import { isForField } from '@/wall/keyboard'

import { isMotionKey, keyMotion, type Motion } from './motion'
import { Mover } from './mover'

const RENEWALS = 3
const UNTIL_KNOWN_MS = 400

export interface KeyActions {
  home(): void
  preset(number: number): void
}

const isHeld = (error: unknown): boolean => error instanceof ApiError && error.code === 'ptz_held'

export function useSteering(cameraId: Ref<string>, fastest: Ref<number>, keys: KeyActions) {
  const store = usePtz()
  const ptz = computed(() => store.byId.get(cameraId.value) ?? null)
  const failure = ref<unknown>(null)
  const motion = ref<Motion | null>(null)
  const heldKeys = new Set<string>()

  const newMover = (camera: string): Mover =>
    new Mover({
      send: (command) => api.command(camera, command),
      told: (now) => store.keep(now),
      refused: (error) => {
        letGo()
        failed(error)
      },
      isTheirs: isHeld,
      renew_ms: UNTIL_KNOWN_MS,
    })
  let mover = newMover(cameraId.value)

  function failed(error: unknown): void {
    tellError(error)
    load().catch(() => undefined)
  }

  async function load(): Promise<void> {
    try {
      const read = await store.load(cameraId.value)
      failure.value = null
      mover.renew_ms = Math.max(100, read.move_timeout_ms / RENEWALS)
    } catch (error) {
      failure.value = error
    }
  }

  function want(next: Motion | null): void {
    motion.value = next
    mover.want(next)
  }

  function letGo(): void {
    heldKeys.clear()
    if (motion.value !== null) want(null)
  }

  async function command(what: PtzCommand): Promise<void> {
    letGo()
    try {
      store.keep(await api.command(cameraId.value, what))
    } catch (error) {
      failed(error)
    }
  }

  async function change(act: () => Promise<Parameters<typeof store.keep>[0]>): Promise<void> {
    try {
      store.keep(await act())
    } catch (error) {
      failed(error)
    }
  }

  /** Shift is for the fine touch; it also turns "=" into "+". */
  const speedOf = (event: KeyboardEvent): number => (event.shiftKey && event.key.startsWith('Arrow') ? fastest.value / 4 : fastest.value)

  function keyDown(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || isForField(event.target)) return
    if (ptz.value?.may_steer !== true) return
    if (isMotionKey(event.key)) {
      event.preventDefault()
      if (event.repeat) return
      heldKeys.add(event.key)
      want(keyMotion(heldKeys, speedOf(event)))
    } else if (event.key === 'Home') {
      event.preventDefault()
      if (!event.repeat) keys.home()
    } else if (/^[1-9]$/.test(event.key)) {
      event.preventDefault()
      if (!event.repeat) keys.preset(Number(event.key))
    }
  }

  function keyUp(event: KeyboardEvent): void {
    // With Shift let go first, another key comes up than went down.
    const gone = event.key === '+' || event.key === '=' ? ['+', '='] : event.key === 'Shift' ? [] : [event.key]
    if (!gone.some((key) => heldKeys.delete(key))) return
    want(keyMotion(heldKeys, speedOf(event)))
  }

  function leaving(): void {
    if (mover.moving || motion.value !== null) api.stopAndGo(cameraId.value)
  }

  onMounted(() => {
    void load()
    // Before the wall, which has other uses for the same keys.
    window.addEventListener('keydown', keyDown, true)
    window.addEventListener('keyup', keyUp, true)
    window.addEventListener('blur', letGo)
    window.addEventListener('pagehide', leaving)
    document.addEventListener('visibilitychange', letGo)
  })
  onBeforeUnmount(() => {
    letGo()
    window.removeEventListener('keydown', keyDown, true)
    window.removeEventListener('keyup', keyUp, true)
    window.removeEventListener('blur', letGo)
    window.removeEventListener('pagehide', leaving)
    document.removeEventListener('visibilitychange', letGo)
  })
  watch(cameraId, (now) => {
    letGo() // By the mover of the camera that moves.
    mover = newMover(now)
    void load()
  })
  // Taken over by somebody else while the hand was still there.
  watch(
    () => ptz.value?.may_steer,
    (may) => {
      if (may === false) letGo()
    },
  )

  return { ptz, failure, motion, want, load, command, change, keep: store.keep }
}
