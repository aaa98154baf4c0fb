/** Copies, also over plain HTTP, where a page has no clipboard but may copy what is selected. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
    return
  } catch {
    // Below.
  }
  const field = document.createElement('textarea')
  field.value = text
  field.style.position = 'fixed'
  field.style.opacity = '0'
  // Inside the open dialog, whose focus would otherwise not be left.
  ;(document.activeElement?.parentElement ?? document.body).append(field)
  field.select()
  document.execCommand('copy')
  field.remove()
}
