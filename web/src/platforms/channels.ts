/** The channels of a platform as a tree that is loaded as it is opened, and what is chosen in it. */
import { computed, onBeforeUnmount, reactive, ref, shallowReactive, watch } from 'vue'

import { platforms as api, type Channel, type ChannelQuery } from '@/api/platforms'
import { isAbort } from '@/api/errors'
import { errorText } from '@/errors'

const PAGE = 200
const SEARCH_AFTER_MS = 250
/** More at once is not looked through by anybody. */
export const CHOICE_LIMIT = 2000

/** One level: the children of a channel, or the top. */
export interface Level {
  items: Channel[]
  open: boolean
  loading: boolean
  loaded: boolean
  error: string
  total: number
  cursor: string | number | null
}

export type ChannelRow =
  | { kind: 'channel'; key: string; depth: number; channel: Channel; level: Level | undefined }
  | { kind: 'note'; key: string; depth: number; note: 'loading' | 'error' | 'more'; parent: string; level: Level }

const newLevel = (): Level => ({ items: [], open: false, loading: false, loaded: false, error: '', total: 0, cursor: null })

/** The rows to be seen, from the top down. A code that is its own ancestor is shown once only. */
export function channelRows(levels: ReadonlyMap<string, Level>, parent = '', depth = 0, above: readonly string[] = []): ChannelRow[] {
  const level = levels.get(parent)
  if (level === undefined) return []
  const rows: ChannelRow[] = []
  for (const channel of level.items) {
    const own = levels.get(channel.code)
    rows.push({ kind: 'channel', key: `${above.join('/')}/${channel.code}`, depth, channel, level: own })
    if (own?.open && !above.includes(channel.code)) rows.push(...channelRows(levels, channel.code, depth + 1, [...above, channel.code]))
  }
  const note = level.loading ? 'loading' : level.error !== '' ? 'error' : level.cursor !== null ? 'more' : null
  if (note !== null) rows.push({ kind: 'note', key: `${note} ${above.join('/')}/${parent}`, depth, note, parent, level })
  return rows
}

/** What can become a camera: it is one, it is there, and nobody has taken it. */
export const isChoosable = (channel: Channel): boolean =>
  channel.kind === 'camera' && channel.camera_id === null && channel.gone_us === null

/** Every channel below `parent` that can be chosen; stops at `limit`. */
export async function choosableBelow(
  list: (query: ChannelQuery) => Promise<{ items: Channel[]; next_cursor?: string | number | null }>,
  parent: string,
  limit = CHOICE_LIMIT,
): Promise<{ channels: Channel[]; cut: boolean }> {
  const channels: Channel[] = []
  const seen = new Set([parent])
  const waiting = [parent]
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    let cursor: string | number | undefined
    do {
      const page = await list({ parent: at, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
      for (const channel of page.items) {
        if (isChoosable(channel)) {
          if (channels.length >= limit) return { channels, cut: true }
          channels.push(channel)
        }
        if (channel.children > 0 && !seen.has(channel.code)) {
          seen.add(channel.code)
          waiting.push(channel.code)
        }
      }
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
  }
  return { channels, cut: false }
}

export function useChannels(platformId: () => string) {
  const levels = reactive(new Map<string, Level>())
  const query = ref('')
  const taken = ref<'' | 'true' | 'false'>('')
  const gone = ref(false)
  const found = reactive(newLevel())
  const chosen = shallowReactive(new Map<string, Channel>())
  const choosing = ref(false)
  let timer = 0
  let abort: AbortController | null = null

  /** A list instead of the tree: something is looked for. */
  const flat = computed(() => query.value.trim() !== '' || taken.value !== '' || gone.value)
  const filters = computed<ChannelQuery>(() => ({
    query: query.value.trim() || undefined,
    taken: taken.value === '' ? undefined : taken.value === 'true',
    gone: gone.value || undefined,
  }))
  const rows = computed<ChannelRow[]>(() => (flat.value ? channelRows(new Map([['', found]])) : channelRows(levels)))
  const top = computed(() => (flat.value ? found : levels.get('')))

  async function fill(level: Level, question: ChannelQuery, signal?: AbortSignal): Promise<void> {
    level.loading = true
    level.error = ''
    try {
      const page = await api.channels(platformId(), { ...question, limit: PAGE, ...(level.cursor === null ? {} : { cursor: level.cursor }) }, signal)
      level.items = level.cursor === null ? page.items : [...level.items, ...page.items]
      level.cursor = page.next_cursor ?? null
      level.total = page.total ?? level.items.length
      level.loaded = true
    } catch (error) {
      if (!isAbort(error)) level.error = errorText(error)
    } finally {
      if (signal?.aborted !== true) level.loading = false
    }
  }

  async function open(parent: string): Promise<void> {
    let level = levels.get(parent)
    if (level === undefined) {
      levels.set(parent, newLevel())
      level = levels.get(parent)!
    }
    level.open = true
    if (!level.loaded && !level.loading) await fill(level, { parent })
  }

  function close(parent: string): void {
    const level = levels.get(parent)
    if (level !== undefined) level.open = false
  }

  async function search(): Promise<void> {
    window.clearTimeout(timer)
    abort?.abort()
    if (!flat.value) return
    const own = new AbortController()
    abort = own
    Object.assign(found, { ...newLevel(), open: true })
    await fill(found, filters.value, own.signal)
  }

  async function more(parent: string): Promise<void> {
    if (flat.value) await fill(found, filters.value)
    else {
      const level = levels.get(parent)
      if (level !== undefined) await fill(level, { parent })
    }
  }

  /** All anew; what is open opens again. */
  async function reload(): Promise<void> {
    const opened = [...levels].filter(([parent, { open: isOpen }]) => isOpen && parent !== '').map(([parent]) => parent)
    levels.clear()
    chosen.clear()
    await open('')
    await Promise.all(opened.map(open))
    await search()
    const only = levels.get('')?.items
    if (opened.length === 0 && only?.length === 1 && (only[0]?.children ?? 0) > 0) await open(only[0]!.code)
  }

  function choose(channel: Channel, on: boolean): void {
    if (on && isChoosable(channel)) chosen.set(channel.code, channel)
    else chosen.delete(channel.code)
  }

  /** Of a group, or of all that is found; whether the limit cut it. @throws ApiError */
  async function chooseAll(parent: string | null): Promise<boolean> {
    choosing.value = true
    try {
      if (parent !== null) {
        const below = await choosableBelow((question) => api.channels(platformId(), question), parent, CHOICE_LIMIT - chosen.size)
        for (const channel of below.channels) choose(channel, true)
        return below.cut
      }
      let cursor: string | number | undefined
      do {
        const page = await api.channels(platformId(), { ...filters.value, limit: PAGE, ...(cursor === undefined ? {} : { cursor }) })
        for (const channel of page.items) {
          if (chosen.size >= CHOICE_LIMIT) return true
          choose(channel, true)
        }
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined)
      return false
    } finally {
      choosing.value = false
    }
  }

  watch([query, taken, gone], () => {
    window.clearTimeout(timer)
    if (!flat.value) {
      abort?.abort()
      return
    }
    found.loading = true
    timer = window.setTimeout(() => void search(), SEARCH_AFTER_MS)
  })
  watch(platformId, () => void reload())
  onBeforeUnmount(() => {
    window.clearTimeout(timer)
    abort?.abort()
  })

  return { rows, top, query, taken, gone, flat, chosen, choosing, open, close, more, reload, choose, chooseAll }
}
