import type { Ref } from 'vue'

/**
 * Calls `act` for one after the other of what is chosen. What is done is no longer chosen, so that
 * trying again after a failure is for the rest alone.
 */
export async function oneByOne(chosen: Ref<string[]>, act: (one: string) => Promise<unknown>): Promise<void> {
  for (const one of chosen.value) {
    await act(one)
    chosen.value = chosen.value.filter((other) => other !== one)
  }
}
