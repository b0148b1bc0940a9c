// Node.js http2 server of the live tests, in clear: /bytes/N gives N bytes. Its log has one line
// a stream: method, path, status, bytes of the request's body, bytes of the response's.
'use strict';
const fs = require('fs');
const http2 = require('http2');

const [address, port, logPath] = process.argv.slice(2);
const log = fs.openSync(logPath, 'a');

const server = http2.createServer();
server.on('stream', (stream, headers) => {
  let received = 0;
  stream.on('data', (chunk) => { received += chunk.length; });
  stream.on('error', () => {});
  stream.on('end', () => {
    const path = headers[':path'];
    const size = Number((path.match(/^\/bytes\/(\d+)/) || [])[1] || 0);
    fs.writeSync(log, [headers[':method'], path, 200, received, size].join('|') + '\n');
    stream.respond({ ':status': 200, 'content-type': 'text/plain' });
    stream.end(Buffer.alloc(headers[':method'] === 'HEAD' ? 0 : size, 'x'));
  });
});
server.listen(Number(port), address);
process.on('SIGTERM', () => process.exit(0));
