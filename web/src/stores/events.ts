/** The gateway's events: camera states as they change, and whether the gateway is there at all. */
import { defineStore } from 'pinia'
import { ref } from 'vue'

import { get, onReachability, webSocketUrl } from '@/api/client'
import type { ServerEvent } from '@/api/types'
import { BackOff } from '@/live/back_off'

export type Connection = 'connected' | 'connecting' | 'lost'

/** Two pings missed and a half: the line is dead though nobody said so. */
const SILENCE_MS = 38_000

const CLOSED_FOR_SIGN_IN = 4401

export const useEvents = defineStore('events', () => {
  const connection = ref<Connection>('connecting')
  const lostSince_ms = ref<number | null>(null)
  const listeners = new Set<(event: ServerEvent) => void>()
  const backOff = new BackOff(500, 15_000)
  let socket: WebSocket | null = null
  /** Between `open` and `close`. */
  let wanted = false
  let timer = 0
  let silence = 0

  function lost(): void {
    if (connection.value !== 'lost') lostSince_ms.value = Date.now()
    connection.value = 'lost'
  }

  function heard(): void {
    window.clearTimeout(silence)
    silence = window.setTimeout(() => socket?.close(), SILENCE_MS)
  }

  function open(): void {
    wanted = true
    if (socket !== null) return
    window.clearTimeout(timer)
    const opened = new WebSocket(webSocketUrl('/api/events'))
    socket = opened
    let accepted = false
    opened.onopen = () => {
      accepted = true
      backOff.reset()
      connection.value = 'connected'
      lostSince_ms.value = null
      heard()
    }
    opened.onmessage = ({ data }: MessageEvent<string>) => {
      heard()
      let event: ServerEvent
      try {
        event = JSON.parse(data) as ServerEvent
      } catch {
        return
      }
      for (const listener of listeners) listener(event)
    }
    opened.onclose = ({ code }) => {
      window.clearTimeout(silence)
      if (socket !== opened) return
      socket = null
      lost()
      timer = window.setTimeout(open, backOff.next())
      // A browser does not tell a refusal from an absence. Asking does, and where the session has
      // ended, the 401 has the user sign in again.
      if (!accepted || code === CLOSED_FOR_SIGN_IN) get('/api/session').catch(() => undefined)
    }
  }

  function close(): void {
    wanted = false
    window.clearTimeout(timer)
    window.clearTimeout(silence)
    const closing = socket
    socket = null
    closing?.close()
  }

  /** Returns the function that stops listening. */
  function listen(listener: (event: ServerEvent) => void): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  let reached = true
  onReachability((reachable) => {
    const back = reachable && !reached
    reached = reachable
    if (!reachable) lost()
    else if (back && wanted && connection.value === 'lost' && socket === null) {
      // The gateway is back: do not sit out the rest of the back-off.
      backOff.reset()
      open()
    }
  })

  return { connection, lostSince_ms, open, close, listen }
})
