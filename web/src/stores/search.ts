/**
 * The search that runs or ran last, kept while somebody looks at footage and comes back.
 *
 * The reason belongs to it, and to who gave it: whoever takes the desk over begins anew.
 */
import { defineStore } from 'pinia'
import { ref, shallowReactive, shallowRef, watch } from 'vue'

import { isAbort } from '@/api/errors'
import { errorText, lineText } from '@/errors'
import { isPurposeWanted, PurposeScope } from '@/purpose/scope'
import { search as api, type SearchBody, type SearchLine } from '@/search/api'
import { Gathered, noResults, takeUp, type Results } from '@/search/results'
import { bodyOf, nothing, type Wanted } from '@/search/wanted'

import { useSession } from './session'

export const useSearch = defineStore('search', () => {
  const purpose = shallowReactive(new PurposeScope('search'))
  /** What the form says. */
  const wanted = shallowRef<Wanted>(nothing())
  /** What was asked for; null before the first search. */
  const asked = shallowRef<{ wanted: Wanted; body: SearchBody } | null>(null)
  const results = shallowRef<Results>(noResults())
  const running = ref(false)
  const failure = ref('')
  /** How far the list was scrolled. */
  const scrolled_px = ref(0)
  let abort: AbortController | null = null

  async function receive(before: Results, further: boolean): Promise<void> {
    abort?.abort()
    const own = new AbortController()
    abort = own
    const current = asked.value
    if (current === null) return
    running.value = true
    failure.value = ''
    results.value = before
    const gathered = new Gathered<SearchLine>((lines) => (results.value = takeUp(results.value, lines)))
    const onLine = (line: SearchLine): void => {
      if (abort === own) gathered.add(line)
    }
    try {
      if (further) {
        const cursor = { cursor: before.nextCursor ?? '', look: before.look }
        await api.objects(current.body, undefined, onLine, own.signal, cursor)
      } else {
        await purpose.open((given) => api.objects(current.body, given, onLine, own.signal))
      }
      gathered.flush()
      if (abort !== own) return
      if (results.value.fault !== null) failure.value = lineText(results.value.fault)
    } catch (error) {
      gathered.flush()
      if (abort !== own || isAbort(error)) return
      failure.value = errorText(error)
      // They would not say why: nothing was looked for.
      if (isPurposeWanted(error) && !further) asked.value = null
    } finally {
      gathered.drop()
      if (abort === own) running.value = false
    }
  }

  async function run(what: Wanted): Promise<void> {
    asked.value = { wanted: what, body: bodyOf(what) }
    scrolled_px.value = 0
    await receive(noResults(), false)
  }

  /** The next page; `whole` and the coverage are those of the page that comes. */
  async function more(): Promise<void> {
    if (running.value || results.value.nextCursor === null) return
    await receive({ ...results.value, whole: false, fault: null }, true)
  }

  /** What has come stays, and is said to be not all. */
  function stop(): void {
    abort?.abort()
    abort = null
    running.value = false
  }

  function forget(): void {
    stop()
    purpose.forget()
    wanted.value = nothing()
    asked.value = null
    results.value = noResults()
    failure.value = ''
    scrolled_px.value = 0
  }

  const session = useSession()
  watch([() => session.current?.user.id, () => session.takeovers], ([now], [before]) => {
    if (before !== undefined || now === undefined) forget()
  })

  return { purpose, wanted, asked, results, running, failure, scrolled_px, run, more, stop, forget }
})
