// The page: one button, one conversation over the Realtime WebSocket.
import { Sound } from './audio.js';
import { texts } from './texts.js';

const $ = (id) => document.getElementById(id);
let words = texts[localStorage.language || (navigator.language.startsWith('zh') ? 'zh' : 'en')];
let socket = null;
let sound = null;
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

function toBase64(pcm) {
  const bytes = new Uint8Array(pcm.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
}

function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

function send(event) {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(event));
}

function sessionUpdate() {
  const input = { transcription: { model: 'parley' } };
  if ($('language').value) input.transcription.language = $('language').value;
  const session = { type: 'realtime', audio: { input }, parley: { latency: true, partials: true } };
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

// The user cut in: be silent at once, and tell the server what was heard.
function interrupted() {
  if (!sound.playing()) return;
  const heard = sound.heardMs();
  const item = sound.item;
  sound.silence();
  items.get(item)?.classList.add('cut');
  send({ type: 'conversation.item.truncate', item_id: item, content_index: 0, audio_end_ms: heard });
}

const handlers = {
  'session.created': () => { sessionUpdate(); say('listening'); },
  'input_audio_buffer.speech_started': () => { interrupted(); say('hearing'); },
  'input_audio_buffer.speech_stopped': () => say('thinking'),
  'parley.transcript.partial': (event) => { bubble(event.item_id, 'user').textContent = event.text; },
  'conversation.item.input_audio_transcription.completed': (event) => {
    if (event.transcript) bubble(event.item_id, 'user').textContent = event.transcript;
    else items.get(event.item_id)?.remove();
  },
  'response.output_audio_transcript.delta': (event) => {
    bubble(event.item_id, 'assistant').textContent += event.delta;
  },
  'response.output_audio.delta': (event) => {
    sound.play(event.item_id, fromBase64(event.delta));
    say('speaking');
  },
  'response.done': () => say('listening'),
  'parley.response.latency': showLatency,
  error: (event) => problem(words.failed + event.error.message),
};

async function start() {
  problem('');
  $('talk').disabled = true;
  sound = new Sound((pcm) => send({ type: 'input_audio_buffer.append', audio: toBase64(pcm) }),
    (level) => { $('level').firstElementChild.style.width = `${Math.round(level * 100)}%`; });
  try {
    await sound.open();
  } catch (error) {
    const known = { NotAllowedError: words.denied, NotFoundError: words.none, Insecure: words.insecure };
    problem(known[error.name] || error.message);
    stop();
    return;
  }
  say('connecting');
  const protocols = ['realtime'];
  if ($('key').value) protocols.push(`openai-insecure-api-key.${$('key').value}`);
  socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/v1/realtime?model=parley`,
    protocols);
  let opened = false;
  socket.onopen = () => { opened = true; $('stop').disabled = false; };
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    handlers[event.type]?.(event);
  };
  socket.onclose = () => {
    if (socket && !opened) {
      $('key-label').hidden = false;
      problem(words.key_needed);
    } else if (socket) {
      problem(words.lost);
    }
    stop();
  };
}

function stop() {
  const old = socket;
  socket = null;
  if (old) old.close();
  if (sound) sound.close();
  sound = null;
  $('level').firstElementChild.style.width = '0';
  $('talk').disabled = false;
  $('stop').disabled = true;
  say(old ? 'closed' : 'idle');
}

async function listVoices() {
  const answer = await fetch('/v1/voices').catch(() => null);
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
$('ui-language').onclick = () => {
  words = words === texts.zh ? texts.en : texts.zh;
  localStorage.language = words === texts.zh ? 'zh' : 'en';
  showWords();
};
say('idle');
showWords();
listVoices();
