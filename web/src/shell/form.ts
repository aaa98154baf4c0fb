/** What every form does: check, send once, show what the gateway minds, say that it is saved. */
import { reactive, type Reactive } from 'vue'

import { ApiError } from '@/api/errors'
import { errorText } from '@/errors'
import { translate } from '@/locales'
import { tell } from '@/notices'

export type Problems = Readonly<Record<string, string>>

export interface FormState {
  busy: boolean
  /** A sentence about the whole form. */
  failure: string
  /** Field → what is wrong with it. */
  fields: Problems
}

export interface Form {
  state: Reactive<FormState>
  reset(): void
  /** Shows `problems`, or sends; gives what was sent's answer, null where nothing was done. */
  submit<Answer>(problems: Readonly<Record<string, string | undefined>>, send: () => Promise<Answer>, saved?: string | null): Promise<{ answer: Answer } | null>
}

export function useForm(): Form {
  const state = reactive<FormState>({ busy: false, failure: '', fields: {} })

  function reset(): void {
    state.failure = ''
    state.fields = {}
  }

  return {
    state,
    reset,
    async submit(problems, send, saved) {
      if (state.busy) return null
      reset()
      state.fields = Object.fromEntries(Object.entries(problems).filter((one): one is [string, string] => one[1] !== undefined))
      if (Object.keys(state.fields).length > 0) return null
      state.busy = true
      try {
        const answer = await send()
        if (saved !== null) tell(saved ?? translate('common.saved'))
        return { answer }
      } catch (error) {
        state.failure = errorText(error)
        if (error instanceof ApiError) state.fields = error.fields
        return null
      } finally {
        state.busy = false
      }
    },
  }
}
