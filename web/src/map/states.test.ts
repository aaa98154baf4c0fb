import { expect, it } from 'vitest'

import { stateAfter } from './states'

it('is live by any stream, and away by the main one', () => {
  expect(stateAfter('idle', 'sub', 'live')).toBe('live')
  expect(stateAfter('live', 'main', 'refused')).toBe('away')
  expect(stateAfter('away', 'main', 'idle')).toBe('idle')
})

it('stays as it was where nothing is new, and for who is switched off or not seen', () => {
  expect(stateAfter('live', 'main', 'live')).toBeUndefined()
  expect(stateAfter('live', 'sub', 'offline')).toBeUndefined()
  expect(stateAfter('off', 'main', 'live')).toBeUndefined()
  expect(stateAfter(undefined, 'main', 'live')).toBeUndefined()
})
