import { afterEach, describe, expect, it, vi } from 'vitest'

import { nowUs, observeDate } from './clock'
import { get, onReachability, onSignInRequired, post, request, urlOf } from './client'
import { ApiError } from './errors'

function answers(...responses: Response[]): ReturnType<typeof vi.fn> {
  const mock = vi.fn(() => Promise.resolve(responses.shift() ?? new Response('{}')))
  vi.stubGlobal('fetch', mock)
  return mock
}

const refusal = (status: number, error: unknown, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify({ error }), { status, headers })

afterEach(() => {
  vi.unstubAllGlobals()
  onSignInRequired(() => Promise.resolve(false))
  observeDate(new Date().toUTCString())
})

describe('requests', () => {
  it('leave out what is not set, and encode the rest', () => {
    expect(urlOf('/api/cameras', { query: '东门 & 西门', limit: 50, cursor: undefined, area_id: null, x: '' })).toBe(
      '/api/cameras?query=%E4%B8%9C%E9%97%A8+%26+%E8%A5%BF%E9%97%A8&limit=50',
    )
  })

  it('carry the header that no cross-site form can send, and JSON', async () => {
    const mock = answers(new Response('{"id": "1"}'))
    expect(await post('/api/layouts', { name: 'a' })).toEqual({ id: '1' })
    const [, init] = mock.mock.calls[0] as unknown as [string, RequestInit]
    expect(init).toMatchObject({ method: 'POST', credentials: 'same-origin', body: '{"name":"a"}' })
    expect(init.headers).toMatchObject({ 'X-Gridsight': '1', 'Content-Type': 'application/json' })
  })

  it('give nothing for an empty answer', async () => {
    answers(new Response(null, { status: 204 }))
    expect(await request('DELETE', '/api/session')).toBeUndefined()
  })
})

describe('refusals', () => {
  it('keep code, message, fields and waiting time', async () => {
    answers(
      refusal(422, { code: 'invalid', message: 'no', detail: { fields: { name: 'is taken' } } }),
      refusal(429, { code: 'too_many_attempts', message: 'wait', detail: {} }, { 'Retry-After': '30' }),
    )
    await expect(get('/api/x')).rejects.toMatchObject({ code: 'invalid', status: 422, fields: { name: 'is taken' } })
    await expect(get('/api/x')).rejects.toMatchObject({ code: 'too_many_attempts', retryAfterS: 30 })
  })

  it('have a code even when a proxy answers in HTML', async () => {
    answers(new Response('<html>', { status: 502 }), new Response('oops', { status: 500 }))
    await expect(get('/api/x')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(get('/api/x')).rejects.toMatchObject({ code: 'server_fault' })
  })

  it('say "unreachable" when no answer came, and report it', async () => {
    const seen: boolean[] = []
    onReachability((reachable) => seen.push(reachable))
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')))
    await expect(get('/api/x')).rejects.toMatchObject({ code: 'unreachable', status: 0 })
    expect(seen).toEqual([false])
  })

  it('leave an abort an abort', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new DOMException('stop', 'AbortError')))
    await expect(get('/api/x')).rejects.not.toBeInstanceOf(ApiError)
  })
})

describe('an ended session', () => {
  const ended = (): Response => refusal(401, { code: 'sign_in_required', message: '', detail: {} })

  it('asks to sign in, and sends the request once more', async () => {
    const mock = answers(ended(), new Response('{"items": []}'))
    onSignInRequired(() => Promise.resolve(true))
    expect(await get('/api/areas')).toEqual({ items: [] })
    expect(mock).toHaveBeenCalledTimes(2)
  })

  it('is an error when the user does not sign in again', async () => {
    answers(ended())
    await expect(get('/api/areas')).rejects.toMatchObject({ code: 'sign_in_required' })
  })

  it('is the caller’s own affair when asked quietly', async () => {
    answers(ended())
    const ask = vi.fn(() => Promise.resolve(true))
    onSignInRequired(ask)
    await expect(request('GET', '/api/session', { quietly: true })).rejects.toMatchObject({ status: 401 })
    expect(ask).not.toHaveBeenCalled()
  })
})

describe('the gateway’s clock', () => {
  it('is followed when this computer is minutes off, not for a second', () => {
    const here_ms = Date.now()
    observeDate(new Date(here_ms + 600_000).toUTCString(), here_ms)
    expect(nowUs() / 1000 - Date.now()).toBeGreaterThan(590_000)
    observeDate(new Date(here_ms + 1000).toUTCString(), here_ms)
    expect(Math.abs(nowUs() / 1000 - Date.now())).toBeLessThan(50)
    observeDate('rubbish')
    observeDate(null)
    expect(Math.abs(nowUs() / 1000 - Date.now())).toBeLessThan(50)
  })
})
