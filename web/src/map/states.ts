/** How a camera is, of its streams' states as the events tell them one by one. */
import type { SourceStateName } from '@/api/types'

import type { PlacedState } from './api'

/** undefined: it stays as it was. One stream that is live is enough; that it is away the main one says. */
export function stateAfter(before: PlacedState | undefined, variant: string, state: SourceStateName): PlacedState | undefined {
  if (before === undefined || before === 'off') return undefined
  const next = state === 'live' ? 'live' : variant !== 'main' ? before : state === 'idle' ? 'idle' : 'away'
  return next === before ? undefined : next
}
