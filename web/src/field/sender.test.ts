/** However the way to the gateway breaks, a report and its files arrive whole, and once. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'

import type { KeptReport, KeptStep } from './kept'
import { send, sha256, type Sending } from './sender'
import { Refused, type Options } from './wire'

/** What the gateway's rows would say, over a way that loses questions and answers. */
class Far {
  reports = new Map<string, Record<string, unknown>>()
  steps = new Map<string, Record<string, unknown>>()
  isOver = false
  uploads = new Map<string, { held: Uint8Array; size: number; finished: number }>()

  constructor(private readonly breaks: () => 'asked' | 'answered' | null) {}

  async ask<Answer>(method: string, path: string, options: Options = {}): Promise<Answer> {
    const how = this.breaks()
    if (how === 'asked') throw new Refused(0, 'unreachable', '')
    const answer = await this.answer(method, path, options)
    if (how === 'answered') throw new Refused(0, 'unreachable', '')
    return answer as Answer
  }

  private async answer(method: string, path: string, options: Options): Promise<unknown> {
    const body = (options.body ?? {}) as Record<string, unknown>
    if (path === '/api/field/reports') {
      this.reports.set(String(body['id']), this.reports.get(String(body['id'])) ?? body)
      return { flags: [] }
    }
    if (path.startsWith('/api/field/tasks/')) {
      if (this.isOver) throw new Refused(409, 'conflict', 'it is closed')
      this.steps.set(String(body['id']), this.steps.get(String(body['id'])) ?? body)
      return {}
    }
    if (path === '/api/field/uploads') {
      const id = String(body['id'])
      const known = this.uploads.get(id) ?? { held: new Uint8Array(), size: Number(body['size_bytes']), finished: 0 }
      this.uploads.set(id, known)
      return { id, offset: known.held.length, file_id: null }
    }
    const upload = this.uploads.get(path.split('/')[4] ?? '')
    if (!upload) throw new Refused(404, 'not_found', '')
    if (method === 'PATCH') {
      const offset = Number(options.headers?.['Upload-Offset'])
      if (offset !== upload.held.length) throw new Refused(409, 'offset_differs', '', { offset: upload.held.length })
      const piece = new Uint8Array(await (options.raw as Blob).arrayBuffer())
      expect(options.headers?.['Upload-Checksum']).toBe(`sha256 ${await sha256(options.raw as Blob)}`)
      upload.held = Uint8Array.from([...upload.held, ...piece])
      return null
    }
    if (upload.held.length !== upload.size) throw new Refused(409, 'offset_differs', '', { offset: upload.held.length })
    upload.finished = 1
    return { id: `att_${path.split('/')[4]}` }
  }
}

const written = (data: Uint8Array[]): KeptReport => ({
  id: 'r'.repeat(24), userId: 'u', madeMs: 1000, category: null, words: '路灯不亮', placeWords: '', grid: null, gridName: null, place: null,
  files: data.map((one, number) => ({
    id: `f${number}`.padEnd(24, 'x'), name: 'x.jpg', kind: 'photo' as const, blob: new Blob([new Uint8Array(one)]), size: one.length, sent: 0, state: 'waiting' as const,
  })),
  state: 'waiting', told: false,
})

const done = (data: Uint8Array[]): KeptStep => {
  const { id, userId, madeMs, files, state, told } = written(data)
  return { id, userId, madeMs, files, state, told, words: '已修好', step: 'answer', taskId: 'inc_1', title: '路灯', place: { longitude: 112.4, latitude: 31, accuracy_m: 5, at_phone_us: 1 } }
}

const by = (far: Far): Sending => ({ ask: (method, path, options) => far.ask(method, path, options), keep: () => Promise.resolve(), sha256, nowMs: () => 2000 })

describe('what waits', () => {
  it('arrives whole and once over any way that breaks', async () => {
    const ways = fc.array(fc.constantFrom('asked', 'answered', null), { maxLength: 30 })
    const files = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(ways, files, async (breaks, data) => {
        const left = [...breaks] as ('asked' | 'answered' | null)[]
        const far = new Far(() => left.shift() ?? null)
        const report = written(data)
        for (let turn = 0; report.state !== 'done' && turn < 50; turn += 1) {
          await send(report, by(far)).catch((error: unknown) => expect(error).toMatchObject({ passes: true }))
        }
        expect(report.state).toBe('done')
        expect(far.reports.size).toBe(1)
        expect([...far.uploads.values()].map((one) => [...one.held])).toEqual(data.map((one) => [...one]))
        expect([...far.uploads.values()].every((one) => one.finished === 1)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('takes a step of a task once, after its pictures, however the way breaks', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 3 }), fc.array(fc.constantFrom('asked', 'answered', null), { maxLength: 20 }), async (data, breaks) => {
        const left = [...breaks] as ('asked' | 'answered' | null)[]
        const far = new Far(() => left.shift() ?? null)
        const step = done(data)
        for (let turn = 0; step.state !== 'done' && turn < 50; turn += 1) {
          await send(step, by(far)).catch((error: unknown) => expect(error).toMatchObject({ passes: true }))
        }
        const told = [...far.steps.values()]
        expect(told).toHaveLength(1)
        expect(told[0]).toMatchObject({ words: '已修好', longitude: 112.4, latitude: 31, files: step.files.map((one) => `att_${one.id}`) })
        expect([...far.uploads.values()].every((one) => one.finished === 1)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('says that a task is over, and goes on with what else waits', async () => {
    const far = new Far(() => null)
    far.isOver = true
    const step = done([])
    await send(step, by(far))
    expect([step.state, step.told, step.errorCode]).toEqual(['refused', false, 'conflict'])
  })

  it('says what the gateway will never take, and sends the rest', async () => {
    const far = new Far(() => null)
    const report = written([new Uint8Array([1]), new Uint8Array([2])])
    const sending = by(far)
    sending.ask = async (method, path, options) => {
      const body = options?.body as { id?: string } | undefined
      if (path === '/api/field/uploads' && body?.id?.startsWith('f0')) throw new Refused(413, 'too_large', 'a video may have 200 MB')
      return far.ask(method, path, options)
    }
    await send(report, sending)
    expect(report.state).toBe('refused')
    expect(report.files.map((one) => [one.state, one.error])).toEqual([['refused', 'a video may have 200 MB'], ['done', undefined]])
  })

  it('keeps what waits when the sign-in has ended', async () => {
    const report = written([])
    const sending = { ...by(new Far(() => null)), ask: () => Promise.reject(new Refused(401, 'sign_in_required', '')) }
    await expect(send(report, sending)).rejects.toMatchObject({ status: 401 })
    expect(report.told).toBe(false)
  })
})
