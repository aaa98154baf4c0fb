import { describe, expect, it } from 'vitest'

import { KEY_HELP, STEER_KEY_HELP } from '@/wall/keyboard'

import { messages, type Words } from './index'

function keysOf(words: Words, prefix = ''): string[] {
  return Object.entries(words).flatMap(([name, value]) =>
    typeof value === 'string' ? [`${prefix}${name}`] : keysOf(value, `${prefix}${name}.`),
  )
}

function textOf(words: Words, key: string): string {
  return key.split('.').reduce<Words | string>((at, name) => (at as Words)[name] as Words | string, words) as string
}

const chinese = messages['zh-CN']
const english = messages.en

describe('words', () => {
  it('are the same keys in both languages', () => {
    expect(keysOf(english).sort()).toEqual(keysOf(chinese).sort())
  })

  it('fill in the same values in both languages', () => {
    const values = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string).sort()
    for (const key of keysOf(chinese)) {
      // English may have a singular and a plural.
      for (const form of textOf(english, key).split(' | ')) expect([key, values(form)]).toEqual([key, values(textOf(chinese, key))])
    }
  })

  it('are Chinese in Chinese and have no Chinese in English', () => {
    const han = /\p{Script=Han}/u
    const left = keysOf(english).filter((key) => han.test(textOf(english, key)))
    expect(left).toEqual(['shell.toOther'])
  })

  it('exist for every key of the keyboard help', () => {
    for (const { words } of [...KEY_HELP, ...STEER_KEY_HELP]) expect(keysOf(chinese)).toContain(`keyboard.${words}`)
  })
})
