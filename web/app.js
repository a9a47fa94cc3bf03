// The page: one button, one conversation. It speaks over WebRTC, over the WebSocket where that cannot be had
// (or with ?transport=websocket), and comes back to the same conversation by itself after a drop.
import { Sound, openMicrophone } from './audio.js';
import { Call, Wire } from './link.js';
import { texts } from './texts.js';

const BACK_WAITS_MS = [0, 300, 700, 1500, 3000, 5000, 8000]; // between tries to come back; the last repeats
const STATS_MS = 1000;

const $ = (id) => document.getElementById(id);
let words = texts[localStorage.language || (navigator.language.startsWith('zh') ? 'zh' : 'en')];
let link = null; // while a conversation lives
let sound = null;
let over = new URLSearchParams(location.search).get('transport') === 'websocket' ? Wire : Call;
let resume = null; // { token, until }: how to come back
let tries = 0;
let statsTimer = null;
let items = new Map(); // item id -> list element

function say(state) {
  $('state').dataset.state = state;
  $('state').textContent = words[state];
}

function showWords() {
  document.documentElement.lang = words === texts.zh ? 'zh' : 'en';
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = words[node.dataset.text];
  $('ui-language').textContent = words.other;
  $('legend').replaceChildren(...['detected', 'stt', 'token', 'audio', 'byte'].map((name, i) => {
    const entry = document.createElement('span');
    const mark = document.createElement('i');
    mark.className = name;
    entry.append(mark, words.parts[i]);
    return entry;
  }));
  say($('state').dataset.state);
}

function problem(text) {
  $('problem').hidden = !text;
  $('problem').textContent = text;
}

function bubble(id, who) {
  if (!items.has(id)) {
    const entry = document.createElement('li');
    entry.className = who;
    entry.dataset.item = id;
    $('talk-log').append(entry);
    items.set(id, entry);
  }
  return items.get(id);
}

function send(event) {
  link?.send(event);
}

function sessionUpdate() {
  const input = { transcription: { model: 'parley' } };
  if ($('language').value) input.transcription.language = $('language').value;
  const session = { type: 'realtime', audio: { input }, parley: { latency: true, partials: true, resume: true, gain_control: false } };
  if ($('voice').value) session.audio.output = { voice: $('voice').value };
  send({ type: 'session.update', session });
}

// One bar a turn: each part's own share, the sum at its end.
function showLatency(event) {
  const marks = ['detected_ms', 'stt_ms', 'first_token_ms', 'first_audio_ms', 'first_byte_ms'];
  const classes = ['detected', 'stt', 'token', 'audio', 'byte'];
  if (event.first_byte_ms === null || event.heard_end_ms !== null) return;
  const bar = document.createElement('div');
  bar.className = 'bar';
  const parts = marks.map((name, i) => [event[name], classes[i]]).filter(([ms]) => ms !== null);
  parts.sort((a, b) => a[0] - b[0]);
  let before = 0;
  for (const [ms, name] of parts) {
    const part = document.createElement('span');
    part.className = name;
    part.style.flexGrow = Math.max(0, ms - before);
    part.title = `${name}: ${Math.round(ms)} ms`;
    before = ms;
    bar.append(part);
  }
  const sum = document.createElement('b');
  sum.textContent = `${Math.round(event.first_byte_ms)} ms`;
  bar.append(sum);
  $('bars').prepend(bar);
  while ($('bars').children.length > 8) $('bars').lastChild.remove();
  $('latency').hidden = false;
}

const handlers = {
  'session.created': () => { sessionUpdate(); say('listening'); },
  'parley.resume': (event) => {
    resume = { token: event.token, until: Date.now() + event.expires_in_s * 1000, keep_ms: event.expires_in_s * 1000 };
    if (event.resumed) say('listening');
  },
  'input_audio_buffer.speech_started': () => say('hearing'),
  'input_audio_buffer.speech_stopped': () => say('thinking'),
  'parley.transcript.partial': (event) => { bubble(event.item_id, 'user').textContent = event.text; },
  'conversation.item.input_audio_transcription.completed': (event) => {
    if (event.transcript) bubble(event.item_id, 'user').textContent = event.transcript;
    else items.get(event.item_id)?.remove();
  },
  'conversation.item.truncated': (event) => items.get(event.item_id)?.classList.add('cut'),
  'response.output_audio_transcript.delta': (event) => {
    bubble(event.item_id, 'assistant').textContent += event.delta;
  },
  'output_audio_buffer.started': () => say('speaking'),
  'output_audio_buffer.stopped': () => say('listening'),
  'response.output_audio.delta': () => say('speaking'),
  'response.done': () => { if (link instanceof Wire) say('listening'); },
  'parley.response.latency': showLatency,
  error: (event) => problem(words.failed + event.error.message),
};

// What the connection is like, once a second.
async function showStats() {
  const kind = link instanceof Call ? 'WebRTC' : 'WebSocket';
  const stats = await link?.stats().catch(() => null);
  if (!link) return;
  const parts = [kind, words.link[link.up ? 'up' : 'down']];
  if (stats && link.up) {
    parts.push(`${words.link.loss} ${stats.loss.toFixed(1)} %`, `${words.link.jitter} ${stats.jitter.toFixed(0)} ms`,
      `↓ ${stats.down.toFixed(0)} ↑ ${stats.up.toFixed(0)} kb/s`);
    if (stats.rtt) parts.push(`${words.link.delay} ${stats.rtt.toFixed(0)} ms`);
  }
  $('link').textContent = parts.join(' · ');
  $('link').dataset.state = link.up ? 'up' : 'down';
}

// One try to reach the server; what becomes of it arrives at onUp or onDown.
async function connect() {
  const mine = over === Call ? new Call($('key').value, $('answer')) : new Wire($('key').value, sound);
  link = mine;
  mine.onEvent = (event) => { if (link === mine) handlers[event.type]?.(event); };
  mine.onUp = () => {
    tries = 0;
    problem('');
    $('stop').disabled = false;
  };
  mine.onDown = (error) => { if (link === mine) lost(mine, error); };
  try {
    await mine.open(sound.stream, resume?.token);
  } catch (error) {
    if (link !== mine) return;
    mine.drop();
    lost(mine, error);
  }
}

// The connection ended, or never came about.
function lost(mine, error) {
  if (mine.up && resume) resume.until = Date.now() + resume.keep_ms;
  if (error.status === 401 || error.status === 403) {
    $('key-label').hidden = false;
    problem(words.key_needed);
    stop();
  } else if (error.status === 429) {
    problem(words.failed + error.message);
    stop();
  } else if (error.status === 404 && resume) { // too late: a new conversation
    resume = null;
    again();
  } else if (!mine.up && !resume && over === Call) { // no WebRTC here
    over = Wire;
    connect();
  } else if (!mine.up && !resume) {
    $('key-label').hidden = false;
    problem(words.key_needed);
    stop();
  } else if (resume && Date.now() < resume.until) {
    again();
  } else {
    problem(words.lost);
    stop();
  }
}

function again() {
  say('reconnecting');
  const wait = BACK_WAITS_MS[Math.min(tries++, BACK_WAITS_MS.length - 1)];
  setTimeout(() => { if (link) connect(); }, wait);
}

// Browsers may refuse to play before the page was clicked.
async function hear() {
  const played = $('answer').play().then(() => true, (error) => error.name !== 'NotAllowedError');
  if ((await sound.allowed()) && (over !== Call || (await played))) return;
  problem(words.autoplay);
  document.addEventListener('click', () => {
    sound?.context.resume();
    $('answer').play().catch(() => {});
    problem('');
  }, { once: true });
}

async function start() {
  problem('');
  $('talk').disabled = true;
  say('connecting');
  try {
    sound = new Sound(await openMicrophone(),
      (level) => { $('level').firstElementChild.style.width = `${Math.round(level * 100)}%`; });
    await sound.open();
  } catch (error) {
    const known = { NotAllowedError: words.denied, NotFoundError: words.none, NotReadableError: words.busy,
      Insecure: words.insecure };
    problem(known[error.name] || error.message);
    stop();
    return;
  }
  sound.stream.getAudioTracks()[0].onended = () => problem(words.unplugged);
  tries = 0;
  statsTimer = setInterval(showStats, STATS_MS);
  await connect();
  $('answer').onloadedmetadata = hear;
  if (over === Wire) hear();
}

function stop() {
  const old = link;
  link = null;
  resume = null;
  clearInterval(statsTimer);
  old?.close();
  sound?.close();
  sound = null;
  $('link').textContent = '';
  $('level').firstElementChild.style.width = '0';
  $('talk').disabled = false;
  $('stop').disabled = true;
  say(old ? 'closed' : 'idle');
}

async function listVoices() {
  const headers = $('key').value ? { Authorization: `Bearer ${$('key').value}` } : {};
  const answer = await fetch('/v1/voices', { headers }).catch(() => null);
  if (!answer || !answer.ok) {
    $('key-label').hidden = false;
    return;
  }
  const { data } = await answer.json();
  $('voice').replaceChildren(...data.map((voice) => {
    const option = document.createElement('option');
    option.value = voice.id;
    option.textContent = `${voice.id} (${voice.languages.join(', ')})`;
    return option;
  }));
  $('voice').value = 'alloy';
}

$('talk').onclick = start;
$('stop').onclick = stop;
$('language').onchange = sessionUpdate;
$('voice').onchange = sessionUpdate;
$('key').onchange = listVoices;
window.addEventListener('pagehide', () => link?.close());
$('ui-language').onclick = () => {
  words = words === texts.zh ? texts.en : texts.zh;
  localStorage.language = words === texts.zh ? 'zh' : 'en';
  showWords();
};
say('idle');
showWords();
listVoices();
