/** What the mark of whoever is signed in says now. */
import { computed, type ComputedRef } from 'vue'

import { nowUs } from '@/api/clock'
import { dateTime } from '@/format'
import { useNow } from '@/live/now'
import { useSession } from '@/stores/session'

import type { Mark } from './draw'

function nameOf(user: { name: string; display_name: string } | undefined): string {
  if (user === undefined) return ''
  return user.display_name && user.display_name !== user.name ? `${user.display_name} ${user.name}` : user.name
}

export function useMark(): { mark: ComputedRef<Mark>; markAt(at_us: number): Mark } {
  const session = useSession()
  const now_ms = useNow()
  const name = computed(() => nameOf(session.current?.user))
  const markAt = (at_us: number): Mark => ({ name: name.value, line: `${name.value}  ${dateTime(at_us)}` })
  const mark = computed(() => {
    void now_ms.value
    return markAt(nowUs())
  })
  return { mark, markAt }
}
