export default {
  title: 'Encoder of “{name}”',
  reading: 'Asking the device …',
  hint: 'This is changed in the device itself. The picture may be away for some seconds, here and in recordings.',
  stream: 'Stream',
  streams: { main: 'Main stream', sub: 'Sub-stream' },
  codec: 'Codec',
  size: 'Resolution',
  frames: 'Frames per second',
  bitrate: 'Bitrate (kbit/s)',
  gop: 'Keyframe every (frames)',
  change: 'Change in the device',
  changed: 'The device has taken it over',
}
