/** Who uses this telephone: known without a network too, from the last time. */
import { ref } from 'vue'

import { ask, Refused } from './wire'

export interface Who {
  id: string
  name: string
  rights: string[]
}

interface SessionAnswer {
  user: { id: string; name: string; display_name: string }
  rights: string[]
  must_change_password: boolean
  must_enrol_totp: boolean
}

export type Gate = 'in' | 'sign_in' | 'change' | 'enrol' | 'no_right' | 'looking'

const LAST = 'gridsight-field-who'

export function useSession() {
  const who = ref<Who | null>(last())
  const gate = ref<Gate>('looking')

  async function look(): Promise<void> {
    try {
      take(await ask<SessionAnswer>('GET', '/api/session'))
    } catch (error) {
      const away = error instanceof Refused && error.passes
      gate.value = away && who.value ? 'in' : 'sign_in'
    }
  }

  /** @throws Refused */
  async function signIn(name: string, password: string, code: string): Promise<void> {
    const form = code === '' ? { name, password } : { name, password, code }
    take(await ask<SessionAnswer>('POST', '/api/session', { body: form }))
  }

  /** @throws Refused */
  async function change(oldPassword: string, newPassword: string): Promise<void> {
    await ask('POST', '/api/session/password', { body: { old_password: oldPassword, new_password: newPassword } })
    await look()
  }

  async function signOut(): Promise<void> {
    await ask('DELETE', '/api/session').catch(() => undefined)
    localStorage.removeItem(LAST)
    who.value = null
    gate.value = 'sign_in'
  }

  function take(answer: SessionAnswer): void {
    who.value = { id: answer.user.id, name: answer.user.display_name || answer.user.name, rights: answer.rights }
    if (answer.must_change_password) gate.value = 'change'
    else if (answer.must_enrol_totp) gate.value = 'enrol'
    else if (!answer.rights.includes('report') && !answer.rights.includes('handle')) gate.value = 'no_right'
    else {
      gate.value = 'in'
      localStorage.setItem(LAST, JSON.stringify(who.value))
    }
  }

  return { who, gate, look, signIn, change, signOut }
}

function last(): Who | null {
  try {
    return JSON.parse(localStorage.getItem(LAST) ?? 'null') as Who | null
  } catch {
    return null
  }
}
