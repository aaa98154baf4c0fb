/** The words of the page, in two languages: few enough to need no library. */
const zh = {
  title: '现场上报',
  online: '已联网',
  offline: '无网络',
  signIn: { title: '登录', name: '用户名', password: '密码', code: '动态口令', enter: '登录', wrong: '用户名或密码不正确', wrongCode: '动态口令不正确', codeNeeded: '请输入动态口令', many: '尝试次数过多，请稍后再试', unreachable: '连接不上，请检查网络', enrol: '您的账号需先在电脑上设置动态口令', noRight: '您的账号没有现场上报权限，请联系管理员', again: '登录已过期，请重新登录，待发的上报会自动继续', out: '退出', newPassword: '新密码', changeTitle: '首次登录请修改密码', change: '修改并继续', weak: '新密码不符合要求：至少 10 个字符，不要用常见密码' },
  tabs: { report: '上报', tasks: '任务', sent: '记录' },
  take: { photo: '拍照', video: '录像', voice: '语音', stop: '停止', recording: '正在录音 {s} 秒', voiceDenied: '未允许使用麦克风', remove: '去掉', tooLarge: '视频不能超过 {mb} MB，请录短一些', photoTooLarge: '照片不能超过 {mb} MB', tooMany: '最多 {n} 个', seconds: '{s} 秒' },
  place: { title: '位置', finding: '正在定位…', found: '已定位，误差约 {m} 米', rough: '定位不准，误差约 {m} 米', none: '没有定位：请允许使用位置，或扫网格码', grid: '网格', scan: '扫网格码', photo: '拍网格码', reading: '正在识别…', unreadable: '没有认出二维码，请靠近一些再拍', choose: '选择网格', noGrid: '未选网格', worker: '网格员', words: '地点描述，如“村委会东侧路口”', typeCode: '输入网格编号', lookUp: '查找', unknownGrid: '没有这个网格', aim: '对准网格牌上的二维码', close: '关闭', clear: '清除' },
  category: '类别',
  words: '说明情况',
  wordsHint: '发生了什么？需要什么？',
  send: '提交上报',
  nothing: '请拍照、说明情况或选择类别',
  kept: '已保存在手机上',
  queue: { title: '待发送', none: '还没有上报', waiting: '等待网络', sending: '正在发送', done: '已送达', refused: '未被接收', files: '附件 {done}/{all}', retry: '再试一次', drop: '删除', dropConfirm: '这条上报还没有送达，确定删除吗？', offlineHint: '没有网络时照样可以上报，联网后自动发送，不会重复。', clock: '手机时间不准，已自动校正' },
  errors: { conflict: '任务已有变化：可能由别人处理了，或已办结', not_allowed: '这件任务已不归您处理', not_found: '这件任务已不归您处理', too_large: '文件太大，请录短一些或重拍', unsupported: '这种文件不能接收，请重拍', invalid: '内容不符合要求' },
  duty: { on: '在岗，{time} 起', off: '未上岗', offHint: '上岗后才会上传位置', begin: '上岗', end: '下岗', sent: '位置上传于 {time}', at: '{latitude}, {longitude}', finding: '正在定位…', noPlace: '没有定位：请允许使用位置', failed: '没有成功，请检查网络再试' },
  tasks: { none: '没有待办任务', asking: '正在查询…', asOf: '没有网络：以下为 {time} 的任务', back: '返回', reporter: '反映人', replyBy: '限时回复', files: '图片与附件', history: '经过', report: '处理情况', hint: '怎么处理的？结果如何？', sayWhat: '请先说明处理情况', gone: '这件任务已不归您处理', suspended: '已暂停计时', urged: '督办 {n} 次', toArrive: '到场', toAnswer: '办结', left: '{to}还剩 {time}', over: '{to}已超时 {time}', days: '{d} 天 {h} 小时', hours: '{h} 小时 {m} 分', minutes: '{m} 分钟', priorities: { urgent: '紧急', emergency: '特急' }, steps: { accept: '接受任务', arrive: '我已到场', reply: '回复进展', answer: '处理完毕' } },
  live: { title: '现场直播', begin: '直播', beginTask: '直播这件任务的现场', on: '直播中', asking: '正在打开摄像头…', connecting: '正在连接…', away: '网络不好，正在重新连接…', viewers: '{n} 人在看', turn: '切换镜头', mute: '静音', unmute: '取消静音', end: '结束直播', faults: { denied: '未允许使用摄像头', no_codec: '这个浏览器不能直播，请换手机自带的浏览器', ended: '直播已被指挥中心结束', refused: '直播没有开始，请稍后再试' } },
  incident: { open: '待派', assigned: '已派', accepted: '处理中', arrived: '已到场', answered: '已处理', closed: '已办结', merged: '已合并' },
  secure: '请用 https:// 地址打开本页',
}

export type Words = typeof zh

const en: Words = {
  title: 'Report',
  online: 'Online',
  offline: 'No network',
  signIn: { title: 'Sign in', name: 'User name', password: 'Password', code: 'Authenticator code', enter: 'Sign in', wrong: 'Wrong user name or password', wrongCode: 'Wrong code', codeNeeded: 'Enter the code of your authenticator', many: 'Too many attempts: try again later', unreachable: 'No connection: check your network', enrol: 'Your account needs an authenticator: set it up on a computer first', noRight: 'Your account may not report from the field: ask your administrator', again: 'Your sign-in has ended: sign in again, and what waits is sent', out: 'Sign out', newPassword: 'New password', changeTitle: 'Change your password first', change: 'Change and go on', weak: 'This password is not accepted: at least 10 characters, none of the common ones' },
  tabs: { report: 'Report', tasks: 'Tasks', sent: 'Sent' },
  take: { photo: 'Photo', video: 'Video', voice: 'Voice', stop: 'Stop', recording: 'Recording, {s} s', voiceDenied: 'The microphone is not allowed', remove: 'Remove', tooLarge: 'A video may have {mb} MB: record a shorter one', photoTooLarge: 'A photo may have {mb} MB', tooMany: 'At most {n}', seconds: '{s} s' },
  place: { title: 'Place', finding: 'Locating…', found: 'Located to about {m} m', rough: 'Located roughly, to about {m} m', none: 'Not located: allow it, or scan a grid code', grid: 'Grid cell', scan: 'Scan code', photo: 'Photograph the code', reading: 'Reading…', unreadable: 'No code was found: take it from nearer', choose: 'Choose cell', noGrid: 'No cell chosen', worker: 'Worker', words: 'Where, such as “crossing east of the office”', typeCode: 'Enter the code of the cell', lookUp: 'Look up', unknownGrid: 'There is no such cell', aim: 'Point at the code of the cell', close: 'Close', clear: 'Clear' },
  category: 'Category',
  words: 'What happened',
  wordsHint: 'What is it, and what is needed?',
  send: 'Send report',
  nothing: 'Take a picture, say what it is, or choose a category',
  kept: 'Kept on this telephone',
  queue: { title: 'Waiting', none: 'Nothing reported yet', waiting: 'Waiting for a network', sending: 'Sending', done: 'Delivered', refused: 'Not accepted', files: 'Files {done}/{all}', retry: 'Try again', drop: 'Delete', dropConfirm: 'This report has not been delivered. Delete it?', offlineHint: 'You can report without a network: it is sent later, and once.', clock: 'The clock of this telephone is off; that was put right' },
  errors: { conflict: 'The task has changed: somebody else has done it, or it is closed', not_allowed: 'This task is not yours any more', not_found: 'This task is not yours any more', too_large: 'The file is too large: record a shorter one', unsupported: 'Such a file is not taken: take another picture', invalid: 'Something in it is not accepted' },
  duty: { on: 'On duty since {time}', off: 'Off duty', offHint: 'Your place is sent on duty only', begin: 'Begin', end: 'End', sent: 'Place sent at {time}', at: '{latitude}, {longitude}', finding: 'Locating…', noPlace: 'Not located: allow it', failed: 'That did not work: check your network' },
  tasks: { none: 'Nothing to do', asking: 'Asking…', asOf: 'No network: as of {time}', back: 'Back', reporter: 'Reported by', replyBy: 'Reply by', files: 'Pictures and files', history: 'So far', report: 'How it went', hint: 'What was done, and how is it now?', sayWhat: 'Say how it went first', gone: 'This task is not yours any more', suspended: 'Clock stopped', urged: 'Urged ×{n}', toArrive: 'to arrive', toAnswer: 'to finish', left: '{time} {to}', over: 'Late {to} by {time}', days: '{d} d {h} h', hours: '{h} h {m} min', minutes: '{m} min', priorities: { urgent: 'Urgent', emergency: 'Emergency' }, steps: { accept: 'Take it', arrive: 'I am there', reply: 'Progress', answer: 'It is done' } },
  live: { title: 'Live from the scene', begin: 'Go live', beginTask: 'Show this scene live', on: 'Live', asking: 'Opening the camera…', connecting: 'Connecting…', away: 'No connection: trying again…', viewers: '{n} watching', turn: 'Turn camera', mute: 'Mute', unmute: 'Unmute', end: 'End', faults: { denied: 'The camera is not allowed', no_codec: 'This browser cannot go live: use the one of your telephone', ended: 'This was ended by the command centre', refused: 'This did not begin: try again later' } },
  incident: { open: 'Not given', assigned: 'Given', accepted: 'In hand', arrived: 'On the spot', answered: 'Done', closed: 'Closed', merged: 'Merged' },
  secure: 'Open this page by its https:// address',
}

const asked = new URLSearchParams(location.search).get('lang') ?? navigator.language
export const language = asked.toLowerCase().startsWith('en') ? 'en' : 'zh-CN'
export const words: Words = language === 'en' ? en : zh

export const filled = (text: string, values: Readonly<Record<string, string | number>>): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))

/** Hours and minutes, with the day where it is another one than today. */
export function clock(ms: number): string {
  const [at, today] = [new Date(ms), new Date()]
  const day = at.toDateString() === today.toDateString() ? {} : ({ month: 'numeric', day: 'numeric' } as const)
  return at.toLocaleString(language, { ...day, hour: '2-digit', minute: '2-digit', hour12: false })
}
