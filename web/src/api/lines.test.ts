import { afterEach, expect, it, vi } from 'vitest'

import { LineSplitter, postLines } from './lines'

afterEach(() => vi.unstubAllGlobals())

it('gives whole lines however they are cut on their way', () => {
  const text = '{"a":1}\n\n{"b":2}\n{"c":3}'
  for (let cut = 1; cut < text.length; cut += 1) {
    const splitter = new LineSplitter()
    const lines = [...splitter.add(text.slice(0, cut)), ...splitter.add(text.slice(cut)), ...splitter.end()]
    expect(lines).toEqual(['{"a":1}', '{"b":2}', '{"c":3}'])
  }
})

it('reads an answer that is cut within a character', async () => {
  const bytes = new TextEncoder().encode('{"name":"石牌"}\n{"name":"镇"}\n')
  const parts = [bytes.slice(0, 10), bytes.slice(10, 11), bytes.slice(11)]
  const body = new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(part)
      controller.close()
    },
  })
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body)))
  const names: string[] = []
  await postLines<{ name: string }>('/x', {}, ({ name }) => names.push(name), new AbortController().signal)
  expect(names).toEqual(['石牌', '镇'])
})

it('throws what the gateway refused', async () => {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"error":{"code":"not_allowed","message":"no"}}', { status: 403 })))
  await expect(postLines('/x', {}, () => undefined, new AbortController().signal)).rejects.toMatchObject({ code: 'not_allowed' })
})
