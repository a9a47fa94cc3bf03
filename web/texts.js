// The page's own words, in both languages.
export const texts = {
  en: {
    tagline: 'Talk to it. Nothing leaves this machine.',
    talk: 'Talk', stop: 'Stop', voice: 'Voice', language: 'Language', auto: 'detect', key: 'API key',
    latency: 'From the end of your words to the answer', other: '中文',
    idle: 'ready', connecting: 'connecting', listening: 'listening', hearing: 'hearing you',
    thinking: 'thinking', speaking: 'speaking', closed: 'ended',
    parts: ['turn recognised', 'words known', 'first token', 'first sound', 'on its way'],
    denied: 'The microphone is blocked. Allow it in the address bar of the browser, then press Talk.',
    none: 'No microphone was found. Connect one, then press Talk.',
    insecure: 'Browsers give the microphone to secure pages only: open https:// or http://127.0.0.1.',
    key_needed: 'This server wants an API key. Enter it above, then press Talk.',
    lost: 'The connection to the server ended.', failed: 'The server reports: ',
  },
  zh: {
    tagline: '开口即可对话，声音不离开这台机器。',
    talk: '开始说话', stop: '停止', voice: '声音', language: '语言', auto: '自动', key: 'API 密钥',
    latency: '从您说完到听见回答', other: 'English',
    idle: '就绪', connecting: '连接中', listening: '在听', hearing: '听到您了', thinking: '思考中',
    speaking: '回答中', closed: '已结束',
    parts: ['确认说完', '识别出文字', '首个词', '首个声音', '送出'],
    denied: '麦克风被阻止。请在浏览器地址栏中允许，然后再按“开始说话”。',
    none: '没有找到麦克风。请连接后再按“开始说话”。',
    insecure: '浏览器只允许安全页面使用麦克风：请用 https:// 或 http://127.0.0.1 打开。',
    key_needed: '此服务器需要 API 密钥。请在上面输入，然后再按“开始说话”。',
    lost: '与服务器的连接已断开。', failed: '服务器报告：',
  },
};
