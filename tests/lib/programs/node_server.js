// Node.js http server of the live tests: /bytes/N gives N bytes, chunked, with a trailer; /events/N
// a text/event-stream of N events, each written apart, with a secret in it. A certificate and its
// key behind the other arguments: over TLS.
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');

const [address, port, logPath, certificate, key] = process.argv.slice(2);
const log = fs.openSync(logPath, 'a');

function answer(request, response) {
  const sequence = request.headers['x-seq'] || '-';
  request.resume();
  request.on('end', () => {
    const size = Number((request.url.match(/^\/bytes\/(\d+)/) || [])[1] || 0);
    response.setHeader('X-Seq', sequence);
    response.setHeader('X-Repeated', ['one', 'two']);
    const events = Number((request.url.match(/^\/events\/(\d+)/) || [])[1] || 0);
    if (events) {
      response.setHeader('Content-Type', 'text/event-stream');
      for (let event = 0; event < events; event++) {
        response.write(`id: ${event}\ndata: SECRET-OF-EVENTS\n\n`);
      }
    }
    if (size > 512) {
      response.setHeader('Trailer', 'X-Checked');
      response.addTrailers({ 'X-Checked': String(size) });
      response.write(Buffer.alloc(size >> 1, 'x'));
      response.end(Buffer.alloc(size - (size >> 1), 'x'));
    } else {
      response.end(Buffer.alloc(size, 'x'));
    }
  });
  response.on('finish', () => {
    const line = [sequence, request.socket.remotePort, response.statusCode, process.pid];
    fs.writeSync(log, line.join(' ') + '\n');
  });
}

const server = certificate
  ? https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, answer)
  : http.createServer(answer);
server.keepAliveTimeout = 60000;
server.listen(Number(port), address);
process.on('SIGTERM', () => process.exit(0));
