// An HTTP server that appends "<length> <sha256>" of every request body to a file.  recorder.js PORT FILE
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const record = fs.openSync(process.argv[3], 'a');
http.createServer((request, response) => {
  const hash = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (data) => { hash.update(data); length += data.length; });
  request.on('end', () => {
    fs.writeSync(record, `${length} ${hash.digest('hex')}\n`);
    response.end('ok');
  });
}).listen(Number(process.argv[2]), '0.0.0.0');
