/** Meetings that call this person or site now: told by the gateway's events, and asked for again. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import type { ServerEvent } from '@/api/types'
import { useEvents } from '@/stores/events'
import { useSession } from '@/stores/session'

import { meetings as api, type Meeting } from './api'

/** The events tell; this is for one that was lost. */
const LOOK_AGAIN_MS = 30_000
/** A meeting that hundreds join changes all the time. */
const CHANGED_MS = 3000

export const useRinging = defineStore('ringing', () => {
  const running = ref<Meeting[]>([])
  /** Put off here: it rings no more until it is rung again. */
  const later = ref(new Set<string>())
  const ringing = computed(() => running.value.filter((one) => one.you.state === 'ringing' && !later.value.has(one.id)))
  let timer = 0
  let soon = 0
  let stop: (() => void) | null = null
  let users = 0

  async function look(): Promise<void> {
    window.clearTimeout(timer)
    window.clearTimeout(soon)
    soon = 0
    try {
      if (useSession().may('meet')) running.value = (await api.list({ state: 'running' })).items
    } catch {
      // The bar says that the gateway is away.
    } finally {
      if (users > 0) timer = window.setTimeout(() => void look(), LOOK_AGAIN_MS)
    }
  }

  function heard(event: ServerEvent): void {
    if (event.type !== 'meeting') return
    if (event.event === 'ring') later.value.delete(event.meeting_id)
    if (event.event !== 'changed') void look()
    else if (soon === 0) soon = window.setTimeout(() => void look(), CHANGED_MS)
  }

  function open(): void {
    users += 1
    if (users > 1) return
    stop = useEvents().listen(heard)
    void look()
  }

  function close(): void {
    users -= 1
    if (users > 0) return
    window.clearTimeout(timer)
    window.clearTimeout(soon)
    stop?.()
    stop = null
  }

  async function refuse(meeting: Meeting): Promise<void> {
    later.value.add(meeting.id)
    if (meeting.you.participant_id !== null) await api.act(meeting.id, meeting.you.participant_id, 'refuse')
    await look()
  }

  return { running, ringing, look, open, close, refuse, putOff: (id: string) => later.value.add(id) }
})
