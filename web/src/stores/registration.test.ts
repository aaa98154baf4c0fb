import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'

import { cameras } from '@/api'
import { platforms, type ProbeLine, type ProbeTarget } from '@/api/platforms'

import { rowOf } from '@/wizard/rows'

import { useRegistration } from './registration'

const ACCOUNT = { username: 'admin', password: 'p' }
const asked: ProbeTarget[][] = []

/** The gateway's answer to a test of many. */
function gatewayTells(...lines: ProbeLine[]): void {
  asked.length = 0
  vi.spyOn(platforms, 'probeMany').mockImplementation(({ targets }, onLine) => {
    asked.push(targets)
    lines.forEach(onLine)
    return Promise.resolve()
  })
}

function chosen(count: number): ReturnType<typeof useRegistration> {
  const registration = useRegistration()
  for (let last = 1; last <= count; last += 1) registration.addByHand(`10.1.2.${last}`, 80)
  return registration
}

const probed = (last: number): ProbeLine => ({
  type: 'probed', host: `10.1.2.${last}`, port: 80, facts: {},
  channels: [{ code: '1', parent_code: null, kind: 'camera', name: '', status: 'on', facts: { main_url: `rtsp://10.1.2.${last}/` } }],
})
const refused = (last: number, code = 'refused'): ProbeLine => ({ type: 'refused', host: `10.1.2.${last}`, port: 80, code, message: '' })

beforeEach(() => {
  vi.restoreAllMocks()
  vi.stubGlobal('sessionStorage', { getItem: () => null, setItem: () => undefined })
  setActivePinia(createPinia())
  vi.spyOn(platforms, 'list').mockResolvedValue({ items: [], next_cursor: null, total: 0 })
})

describe('a test of many devices', () => {
  it('shows what each answered, and looks at the pictures of those that let us in', async () => {
    const look = vi.spyOn(cameras, 'test').mockResolvedValue({ ok: true, video: { codec: 'h264', width: 640, height: 360 } } as never)
    gatewayTells(probed(1), refused(2), refused(3, 'offline'))
    const registration = chosen(3)
    await registration.test(ACCOUNT)
    expect(asked).toEqual([[1, 2, 3].map((last) => ({ host: `10.1.2.${last}`, port: 80 }))])
    expect(registration.rows.map(({ test }) => test)).toEqual(['ok', 'refused', 'failed'])
    expect(registration.rows[1]?.problem).not.toBe('')
    expect(registration.rows[0]?.picture).toMatchObject({ width: 640 })
    expect(look).toHaveBeenCalledTimes(1)
    expect(registration.testing).toBe(false)
  })

  it('says how many were not tried when the password was refused', async () => {
    gatewayTells(refused(1), { type: 'stopped', left: 2, message: '' })
    const registration = chosen(3)
    await registration.test(ACCOUNT)
    expect(registration.rows.map(({ test }) => test)).toEqual(['refused', 'untried', 'untried'])
    expect(registration.stopped).toContain('2')
  })

  it('asks only those again that were not let in, and says when the gateway is away', async () => {
    vi.spyOn(cameras, 'test').mockRejectedValue(new Error('no'))
    gatewayTells(probed(1))
    const registration = chosen(2)
    await registration.test(ACCOUNT)
    gatewayTells({ type: 'error', code: 'unavailable', message: '' })
    await registration.test(ACCOUNT)
    expect(asked).toEqual([[{ host: '10.1.2.2', port: 80 }]])
    expect(registration.stopped).not.toBe('')
    expect(registration.rows.map(({ test }) => test)).toEqual(['ok', 'untried'])
  })

  it('of more than the gateway takes at once goes on in parts, and no further than a refusal', async () => {
    gatewayTells({ type: 'refused', host: '10.1.0.1', port: 80, code: 'refused', message: '' }, { type: 'stopped', left: 999, message: '' })
    const registration = useRegistration()
    registration.rows = Array.from({ length: 1500 }, (_row, number) => rowOf({ host: `10.1.${Math.floor(number / 250)}.${(number % 250) + 1}`, port: 80, name: '', hardware: '', known: null }))
    await registration.test(ACCOUNT)
    expect(asked).toHaveLength(1)
    expect(registration.stopped).toContain('1499')
  })
})
