import { expect, it } from 'vitest'
import { ref } from 'vue'

import { oneByOne } from './one_by_one'

it('leaves chosen what was not done, so that it is not done twice', async () => {
  const chosen = ref(['a', 'b', 'c'])
  const done: string[] = []
  let refuses = true
  const act = (one: string): Promise<void> => {
    if (one === 'b' && refuses) return Promise.reject(new Error('refused'))
    done.push(one)
    return Promise.resolve()
  }
  await expect(oneByOne(chosen, act)).rejects.toThrow('refused')
  expect(chosen.value).toEqual(['b', 'c'])
  refuses = false
  await oneByOne(chosen, act)
  expect(done).toEqual(['a', 'b', 'c'])
  expect(chosen.value).toEqual([])
})
