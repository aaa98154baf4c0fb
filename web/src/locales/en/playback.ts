export default {
  title: 'Playback',
}
