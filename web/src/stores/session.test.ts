import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { get } from '@/api/client'

import { useSession } from './session'

const document = {
  id: 's1',
  user: { id: 'u', name: 'li', display_name: '李' },
  rights: ['live'],
  system_admin: false,
  must_change_password: false,
  version: '1',
}
const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status })
const ended = (): Response => json({ error: { code: 'sign_in_required', message: '', detail: {} } }, 401)

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => vi.unstubAllGlobals())

describe('the session', () => {
  it('is nobody’s when the gateway knows none', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(ended()))
    const session = useSession()
    expect(await session.load()).toBeNull()
    expect(session.signedIn).toBe(false)
  })

  it('gives the rights it has, and every right to a system administrator', async () => {
    vi.stubGlobal('fetch', () => Promise.resolve(json(document)))
    const session = useSession()
    await session.load()
    expect([session.may('live'), session.may('audit')]).toEqual([true, false])
    session.current = { ...document, system_admin: true }
    expect(session.may('audit')).toBe(true)
  })

  it('asks once for all requests that meet its end, and then sends them again', async () => {
    let signedIn = false
    vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
      if (url === '/api/session' && init.method === 'POST') {
        signedIn = true
        return Promise.resolve(json(document))
      }
      return Promise.resolve(signedIn ? json({ items: [url] }) : ended())
    })
    const session = useSession()
    session.current = document
    const waiting = Promise.all([get('/api/areas'), get('/api/tours')])
    await vi.waitFor(() => expect(session.expired).toBe(true))
    await session.signIn('li', 'secret')
    expect(await waiting).toEqual([{ items: ['/api/areas'] }, { items: ['/api/tours'] }])
    expect(session.expired).toBe(false)
  })
})
