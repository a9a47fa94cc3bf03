// scripted_http2.mjs -- a chat completions endpoint over HTTP/2 by Node's own stack, for test_others.py.
//
//   node scripted_http2.mjs KEY.pem CHAIN.pem     prints its port; GET /stats tells what it saw; ends with its input
//
// An answer is six words, one each 100 ms; a prompt with "for ever" gets them without an end.
import http2 from "node:http2";
import fs from "node:fs";

const stats = { sessions: 0, streams: 0, together: 0, now: 0, canceled: 0, versions: {} };
const words = "One two three. Four five six.".split(" ").map((word) => word + " ");

function chunk(choice, rest) {
  return `data: ${JSON.stringify({ choices: choice ? [{ index: 0, ...choice }] : [], ...rest })}\n\n`;
}

function answer(request, response, body) {
  const endless = JSON.parse(body).messages.at(-1).content.includes("for ever"); // the history is no matter
  let at = 0;
  response.writeHead(200, { "content-type": "text/event-stream" });
  const timer = setInterval(() => {
    if (at < words.length || endless) {
      response.write(chunk({ delta: { content: words[at++ % words.length] } }));
      return;
    }
    clearInterval(timer);
    response.write(chunk({ delta: {}, finish_reason: "stop" }));
    response.end(chunk(null, { usage: { prompt_tokens: 7, completion_tokens: 6, total_tokens: 13 } }) + "data: [DONE]\n\n");
  }, 100);
  response.on("close", () => {
    clearInterval(timer);
    stats.now--;
    stats.canceled += !response.writableEnded;
  });
}

function serve(request, response) {
  if (request.url === "/stats") {
    response.end(JSON.stringify(stats));
    return;
  }
  stats.streams++;
  stats.versions[request.httpVersion] = (stats.versions[request.httpVersion] || 0) + 1;
  if (!request.url.endsWith("/chat/completions")) {
    response.writeHead(200, { "content-type": "application/json" });
    response.end('{"object":"list","data":[]}');
    return;
  }
  stats.together = Math.max(stats.together, ++stats.now);
  let body = "";
  request.on("data", (data) => (body += data));
  request.on("end", () => answer(request, response, body));
}

const [key, cert] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const server = http2.createSecureServer({ key, cert, allowHTTP1: true }, serve);
server.on("session", () => stats.sessions++);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();
