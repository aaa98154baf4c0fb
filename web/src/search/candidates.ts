/** Where else one of a trail may have been seen: asked about one passage at a time. */
import { onBeforeUnmount, ref, shallowRef, type Ref } from 'vue'

import { isAbort } from '@/api/errors'
import { errorText } from '@/errors'

import { search as api, type SearchLine } from './api'
import { Gathered, noResults, takeUp, type Results } from './results'

export const WITHIN_S = [600, 1800, 7200] as const

export interface Candidates {
  /** The passage that was asked about; empty where none was. */
  about: Ref<string>
  within_s: Ref<number>
  searching: Ref<boolean>
  failure: Ref<string>
  results: Ref<Results>
  /** From one passage on and back, under a request. */
  ask(passage: string, request_id: string): Promise<void>
  forget(): void
}

export function useCandidates(): Candidates {
  const about = ref('')
  const within_s = ref<number>(WITHIN_S[1])
  const searching = ref(false)
  const failure = ref('')
  const results = shallowRef<Results>(noResults())
  let abort: AbortController | null = null

  function forget(): void {
    abort?.abort()
    abort = null
    searching.value = false
    about.value = ''
    results.value = noResults()
  }
  onBeforeUnmount(forget)

  async function ask(passage: string, request_id: string): Promise<void> {
    forget()
    const own = new AbortController()
    abort = own
    about.value = passage
    failure.value = ''
    searching.value = true
    const gathered = new Gathered<SearchLine>((lines) => (results.value = takeUp(results.value, lines)))
    try {
      await api.alsoSeen(passage, { request_id, within_s: within_s.value }, (line) => abort === own && gathered.add(line), own.signal)
      gathered.flush()
      if (abort === own && results.value.fault !== null) failure.value = results.value.fault.message
    } catch (error) {
      if (abort === own && !isAbort(error)) failure.value = errorText(error)
    } finally {
      gathered.drop()
      if (abort === own) searching.value = false
    }
  }

  return { about, within_s, searching, failure, results, ask, forget }
}
