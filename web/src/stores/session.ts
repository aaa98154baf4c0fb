/** Who is signed in, and the dialog that asks again when the session has ended. */
import { defineStore } from 'pinia'
import { computed, ref } from 'vue'

import { session as api } from '@/api'
import { onSignInRequired } from '@/api/client'
import { ApiError } from '@/api/errors'
import { signIn as peopleApi } from '@/api/people'
import type { Right, Session } from '@/api/types'
import { livePurpose } from '@/purpose/scope'

export const useSession = defineStore('session', () => {
  const current = ref<Session | null>(null)
  /** True while the session has ended under a page that goes on being shown. */
  const expired = ref(false)
  /** How often another person took over on this page. */
  const takeovers = ref(0)
  let waiting: ((signedIn: boolean) => void)[] = []

  const signedIn = computed(() => current.value !== null)
  const may = (right: Right): boolean =>
    current.value !== null && (current.value.system_admin || current.value.rights.includes(right))

  async function load(): Promise<Session | null> {
    try {
      current.value = await api.read()
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'sign_in_required') throw error
      current.value = null
    }
    return current.value
  }

  /** `code`: of the authenticator, or a recovery code, once the gateway has asked for it. */
  async function signIn(name: string, password: string, code?: string): Promise<Session> {
    current.value = await api.signIn(name, password, code)
    settle(true)
    return current.value
  }

  /**
   * Another person takes the duty desk over by PIN, and the page stays as it is.
   *
   * Gives the live sessions that are now theirs, and those that ended because they may not see them.
   */
  async function switchDesk(userId: string, pin: string): Promise<{ kept: string[]; ended: string[] }> {
    livePurpose.forget() // Theirs, not one's own.
    const { kept, ended, ...session } = await livePurpose.open((purpose) =>
      peopleApi.switchDesk({ user_id: userId, pin, ...(purpose === undefined ? {} : { purpose }) }),
    )
    current.value = session
    takeovers.value += 1
    settle(true)
    return { kept, ended }
  }

  async function signOut(): Promise<void> {
    try {
      await api.signOut()
    } finally {
      current.value = null
      settle(false)
    }
  }

  async function changePassword(oldPassword: string, newPassword: string): Promise<void> {
    await api.changePassword(oldPassword, newPassword)
    await load()
  }

  function settle(result: boolean): void {
    expired.value = false
    const resolvers = waiting
    waiting = []
    for (const resolve of resolvers) resolve(result)
  }

  function askAgain(): Promise<boolean> {
    if (current.value === null) return Promise.resolve(false)
    expired.value = true
    return new Promise((resolve) => waiting.push(resolve))
  }

  onSignInRequired(askAgain)

  return { current, expired, takeovers, signedIn, may, load, signIn, switchDesk, signOut, changePassword, settle, askAgain }
})
