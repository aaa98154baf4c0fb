/** What one's unit has to do: as of the last time that the gateway answered, without a network too. */
import { onBeforeUnmount, ref } from 'vue'

import type { Task } from './tasks'
import { ask, Refused } from './wire'

const AGAIN_MS = 60_000
const LAST = 'gridsight-field-tasks'

export function useTasks(onSignInEnded: () => void) {
  const tasks = ref<Task[]>([])
  const asOfMs = ref<number | null>(null)
  const isAsking = ref(false)
  let userId: string | null = null

  function openFor(user: string): void {
    userId = user
    const last = JSON.parse(localStorage.getItem(LAST) ?? 'null') as { userId: string; atMs: number; tasks: Task[] } | null
    tasks.value = last?.userId === user ? last.tasks : []
    asOfMs.value = last?.userId === user ? last.atMs : null
    void look()
  }

  function close(): void {
    userId = null
    tasks.value = []
    localStorage.removeItem(LAST)
  }

  async function look(): Promise<void> {
    if (userId === null || isAsking.value || document.visibilityState !== 'visible') return
    isAsking.value = true
    const asked = userId
    try {
      const { items } = await ask<{ items: Task[] }>('GET', '/api/field/tasks')
      if (userId !== asked) return
      tasks.value = items
      asOfMs.value = Date.now()
      localStorage.setItem(LAST, JSON.stringify({ userId, atMs: asOfMs.value, tasks: items }))
    } catch (error) {
      if (error instanceof Refused && error.status === 401) onSignInEnded()
      else if (!(error instanceof Refused)) throw error
    } finally {
      isAsking.value = false
    }
  }

  const timer = setInterval(() => void look(), AGAIN_MS)
  const seen = (): void => void look()
  document.addEventListener('visibilitychange', seen)
  window.addEventListener('online', seen)
  onBeforeUnmount(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', seen)
    window.removeEventListener('online', seen)
  })

  return { tasks, asOfMs, isAsking, openFor, close, look }
}
