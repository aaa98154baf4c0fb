/** A list that the gateway gives in pages: what is there, what is coming, what went wrong. */
import { onBeforeUnmount, ref, type Ref } from 'vue'

import { isAbort } from '@/api/errors'
import type { Page } from '@/api/types'
import { errorText } from '@/errors'

import { atMostEvery } from './seldom'

export type Cursor = string | number

const TYPING_MS = 250
const NEWS_MS = 1000

export interface Paged<Item> {
  items: Ref<Item[]>
  total: Ref<number>
  /** Whether the gateway holds more than was fetched. */
  more: Ref<boolean>
  loading: Ref<boolean>
  failure: Ref<string>
  /** From the beginning; what is on its way is given up. */
  load(): Promise<void>
  /** The same of something else: what is there is not shown meanwhile. */
  loadOther(): Promise<void>
  loadMore(): Promise<void>
  /** `load` once nobody has typed for a moment. */
  loadSoon(): void
  /** `load` now, but once a second at most: however fast news come, it is never put off for ever. */
  loadForNews(): void
}

export function usePaged<Item>(
  fetch: (cursor: Cursor | undefined, signal: AbortSignal) => Promise<Page<Item>>,
): Paged<Item> {
  const items = ref([]) as Ref<Item[]>
  const total = ref(0)
  const more = ref(false)
  const loading = ref(true)
  const failure = ref('')
  let cursor: Cursor | undefined
  let abort: AbortController | null = null
  let timer = 0

  async function fetchPage(from: Cursor | undefined): Promise<void> {
    window.clearTimeout(timer)
    abort?.abort()
    const own = new AbortController()
    abort = own
    loading.value = true
    failure.value = ''
    try {
      const page = await fetch(from, own.signal)
      if (abort !== own) return
      items.value = from === undefined ? page.items : [...items.value, ...page.items]
      total.value = page.total ?? items.value.length
      cursor = page.next_cursor ?? undefined
      more.value = cursor !== undefined
    } catch (error) {
      if (!isAbort(error) && abort === own) failure.value = errorText(error)
    } finally {
      if (abort === own) loading.value = false
    }
  }

  const forNews = atMostEvery(NEWS_MS, () => void fetchPage(undefined))

  onBeforeUnmount(() => {
    window.clearTimeout(timer)
    forNews.stop()
    abort?.abort()
  })

  return {
    items,
    total,
    more,
    loading,
    failure,
    load: () => fetchPage(undefined),
    loadOther: () => {
      items.value = []
      total.value = 0
      more.value = false
      return fetchPage(undefined)
    },
    loadMore: () => fetchPage(cursor),
    loadSoon: () => {
      window.clearTimeout(timer)
      timer = window.setTimeout(() => void fetchPage(undefined), TYPING_MS)
    },
    loadForNews: forNews.ask,
  }
}
