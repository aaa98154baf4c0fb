/** Names of areas that somebody has come across while choosing, by id: one field knows what another was told. */
import { reactive } from 'vue'

export const areaLabels = reactive<Record<string, string>>({})
